# One image for all parts; `wst COMMAND` says which one runs. It needs no root, and no writable
# file system but /data and /tmp.
#
#   docker build -t workspace-status .                                   workers, sink, API, producer
#   docker build -t workspace-status-producer --build-arg EXTRAS= .      the producer alone, small
#
# BASE may be any image with Python 3.11 or newer and its venv module. Nothing here needs BuildKit,
# so that old engines build it too.
ARG BASE=python:3.11-slim

FROM ${BASE} AS build
ARG EXTRAS=streams
WORKDIR /src
# pip stays in a venv of its own: what runs has no installer.
RUN python3 -m venv /tools && python3 -m venv --without-pip /opt/wst
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY schemas schemas
COPY producers producers
COPY streams streams
RUN /tools/bin/pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && /tools/bin/pip --python /opt/wst/bin/python install --no-cache-dir \
        --constraint requirements.lock "$(echo /wheels/*.whl)${EXTRAS:+[$EXTRAS]}"

FROM ${BASE}
# The numbers are fixed, so that volumes keep their owner from image to image.
RUN groupadd --gid 10321 wst \
    && useradd --uid 10321 --gid 10321 --home-dir /data --no-create-home --shell /usr/sbin/nologin wst \
    && install --directory --owner wst --group wst --mode 0750 /data
COPY --from=build /opt/wst /opt/wst
# No byte code is written: the packages bring theirs, and the root file system may be read-only.
ENV PATH=/opt/wst/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    WST_DATA_DIR=/data
USER 10321:10321
WORKDIR /data
VOLUME /data
STOPSIGNAL SIGTERM
ENTRYPOINT ["wst"]
CMD ["--help"]
