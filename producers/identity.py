"""Which workspace a container belongs to: labels, first match wins. Pure.

The order is data (`DEFAULT_RULES`), the labels are those of Compose, Swarm, Coder, the dev container tools and DevPod.
Names are untrusted: they survive as they are for display, ids are escaped into `[a-z0-9._:@-]{1,200}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Final

from producers.text import clip

Labels = Mapping[str, str]

WORKSPACE_ID: Final = re.compile(r"[a-z0-9._:@-]{1,200}")
_MAX_ID: Final = 200
_MAX_PART: Final = 120
_MAX_NAME: Final = 200
_STORED_LABELS: Final = 40
_STORED_VALUE: Final = 1_000

COMPOSE_PROJECT: Final = "com.docker.compose.project"
COMPOSE_SERVICE: Final = "com.docker.compose.service"
DEV_FOLDER: Final = "devcontainer.local_folder"
#: DevPod's ids are context, workspace and a random piece; base images ship `dev.containers.id=base-…`.
_DEVPOD_ID: Final = re.compile(r"(?!base-)[a-z0-9]+(?:-[a-z0-9]+)+")


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a container belongs to.

    Attributes:
        workspace_id: matches `WORKSPACE_ID`.
        workspace_name: for people; untrusted.
        grouped_by: symbol of the schema's enum Grouping.
        service: service of the group; untrusted.
        names_group: this container's name for the workspace beats its group's (a Compose dev container).
    """

    workspace_id: str
    workspace_name: str
    grouped_by: str
    service: str | None = None
    names_group: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """What is tracked and what may be stored.

    Attributes:
        include, exclude: globs on name, image or label: `name:…`, `image:…`, `label:KEY=VALUE`, or bare for any of them.
        labels_include: globs of further label keys that may be stored.
        rules: names of the grouping rules, in their order.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ("label:org.testcontainers=*",)
    labels_include: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


def escape(text: str, limit: int = _MAX_PART, *, keep_at: bool = False) -> str:
    """Escapes a name into the alphabet of ids; two different names never give the same id.

    A name that had to change carries a hash of what it was, so that `My App` and `my-app` stay two.
    """
    alphabet = r"[^a-z0-9._:@-]" if keep_at else r"[^a-z0-9._:-]"
    escaped = re.sub(alphabet, "-", text.lower())
    if escaped == text and 0 < len(text) <= limit:
        return text
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{escaped[: limit - 9]}-{digest}"


def qualified(name: str, engine_name: str) -> str:
    """An id derived from a name, qualified by its engine: names collide between hosts."""
    return f"{escape(name)}@{escape(engine_name, _MAX_ID - _MAX_PART - 1)}"


def _folder_name(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1] or path


def _by_label(labels: Labels, _engine: str) -> Identity | None:
    given = labels.get("workspace.id")
    if not given:
        return None
    name = labels.get("workspace.name") or given
    service = labels.get("workspace.service") or labels.get(COMPOSE_SERVICE)
    return Identity(escape(given, _MAX_ID, keep_at=True), name, "workspace_label", service)


def _by_coder(labels: Labels, _engine: str) -> Identity | None:
    given = labels.get("coder.workspace_id")
    if not given:
        return None
    return Identity(escape(given, _MAX_ID), labels.get("coder.workspace_name") or given, "coder", labels.get(COMPOSE_SERVICE))


def _by_compose(labels: Labels, engine: str) -> Identity | None:
    project = labels.get(COMPOSE_PROJECT)
    if not project:
        return None
    folder = labels.get(DEV_FOLDER)
    name = _folder_name(folder) if folder else project
    return Identity(qualified(project, engine), name, "compose", labels.get(COMPOSE_SERVICE), names_group=bool(folder))


def _by_dev_container(labels: Labels, engine: str) -> Identity | None:
    folder = labels.get(DEV_FOLDER)
    if not folder:
        return None
    name = _folder_name(folder)
    # Two folders of one name are two workspaces, and the folder's name alone may be a Compose project's too.
    digest = blake2b(folder.encode("utf-8", "surrogatepass"), digest_size=3).hexdigest()
    return Identity(qualified(f"{escape(name, _MAX_PART - 7)}-{digest}", engine), name, "devcontainer")


def _by_devpod(labels: Labels, engine: str) -> Identity | None:
    given = labels.get("dev.containers.id", "")
    if not _DEVPOD_ID.fullmatch(given):
        return None
    return Identity(qualified(given, engine), given, "devpod")


def _by_stack(labels: Labels, engine: str) -> Identity | None:
    stack = labels.get("com.docker.stack.namespace")
    if not stack:
        return None
    service = labels.get("com.docker.swarm.service.name", "").removeprefix(f"{stack}_")
    return Identity(qualified(stack, engine), stack, "stack", service or None)


def _by_swarm_service(labels: Labels, engine: str) -> Identity | None:
    service = labels.get("com.docker.swarm.service.name")
    return Identity(qualified(service, engine), service, "swarm_service", service) if service else None


RULES: Final[Mapping[str, Callable[[Labels, str], Identity | None]]] = {
    "workspace_label": _by_label,
    "coder": _by_coder,
    "compose": _by_compose,
    "devcontainer": _by_dev_container,
    "devpod": _by_devpod,
    "stack": _by_stack,
    "swarm_service": _by_swarm_service,
}
DEFAULT_RULES: Final = tuple(RULES)
#: Labels by which a container is identified; they may always be stored.
IDENTITY_LABELS: Final = frozenset(
    {
        "coder.workspace_id", "coder.workspace_name",
        COMPOSE_PROJECT, COMPOSE_SERVICE, "com.docker.compose.container-number", "com.docker.compose.project.working_dir",
        DEV_FOLDER, "devcontainer.config_file", "dev.containers.id",
        "com.docker.stack.namespace", "com.docker.swarm.service.name",
    }
)  # fmt: skip


def identify(labels: Labels, container_name: str, engine_name: str, rules: Sequence[str] = ()) -> Identity:
    """The workspace of a container; one that nothing groups is an ephemeral workspace by its own name."""
    for rule in rules or DEFAULT_RULES:
        found = RULES[rule](labels, engine_name)
        if found is not None:
            service = None if found.service is None else clip(found.service, _MAX_NAME)
            return Identity(found.workspace_id, clip(found.workspace_name, _MAX_NAME), found.grouped_by, service, found.names_group)
    return Identity(qualified(container_name, engine_name), clip(container_name, _MAX_NAME), "ephemeral")


def why_untracked(labels: Labels, name: str, image: str, policy: Policy) -> str | None:
    """The reason for which a container is not tracked, a word to count by; None: it is tracked."""
    if labels.get("workspace.ignore", "").lower() in ("true", "1", "yes"):
        return "workspace_ignore"
    if labels.get("com.docker.compose.oneoff", "").lower() == "true":
        return "compose_oneoff"
    if policy.include and not any(_matches(glob, labels, name, image) for glob in policy.include):
        return "not_included"
    if any(_matches(glob, labels, name, image) for glob in policy.exclude):
        return "excluded"
    return None


def _matches(glob: str, labels: Labels, name: str, image: str) -> bool:
    kind, colon, pattern = glob.partition(":")
    subjects = {"name": [name], "image": [image], "label": [f"{key}={value}" for key, value in labels.items()]}
    if colon and kind in subjects:
        return any(fnmatchcase(subject, pattern) for subject in subjects[kind])
    return any(fnmatchcase(subject, glob) for of_kind in subjects.values() for subject in of_kind)


def storable_labels(labels: Labels, policy: Policy) -> dict[str, str]:
    """Labels that may leave this machine: identity, `workspace.*`, WST_LABELS_INCLUDE; their number and size bounded."""
    allowed = [
        key
        for key in sorted(labels)
        if key in IDENTITY_LABELS or key.startswith("workspace.") or any(fnmatchcase(key, glob) for glob in policy.labels_include)
    ]
    return {clip(key, _MAX_NAME): clip(labels[key], _STORED_VALUE) for key in allowed[:_STORED_LABELS]}
