"""`wst worker`: one app in this process, or both as children that are started again when they end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import Final

import click

from streams.supervisor.part import die_with_parent

#: Delays before a child is started again, s, by how often it has died in a row.
_DELAYS_S: Final = (0.2, 1.0, 3.0, 10.0)
#: A child that lived so long has recovered, s.
_STEADY_S: Final = 30.0
#: What a child may take to end after SIGTERM, s.
_STOP_S: Final = 4.0
#: Exit statuses that a new start would not change: refused, a wrong setting.
_FINAL: Final = (1, 2)
#: A part is out of reach: final for a worker that never ran, a matter of time for one that did.
_UNREACHABLE: Final = 3

log = logging.getLogger("wst.worker")


@click.command(epilog="Example: WST_BROKERS=kafka:9092 wst worker state")
@click.argument("app", type=click.Choice(["state", "usage", "all"]), default="all")
def worker(app: str) -> None:
    """Folds facts into states, and samples into windows.

    One of the two, or both, each in a process of its own.

    Exits with 0 after SIGTERM, 3 when the broker is out of reach or topics are missing. A worker that cannot keep a promise ends with 70
    and loses nothing: whoever supervises it starts it again.
    """
    from schemas.logs import log_to_stderr
    from schemas.memory import keep_little
    from schemas.settings import load_settings

    keep_little()
    settings = load_settings()
    log_to_stderr(settings.log_format, logging.INFO)
    for chatty in ("faust", "mode"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # aiokafka says at every retry, twenty a second, that a broker is away; the lease says it once, and ends the worker.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    if app == "all":
        raise SystemExit(asyncio.run(_run_all()))

    from streams.app import cluster_lane, embedded_lane, make_app
    from streams.cluster import prepare, reach
    from streams.lane.runner import run
    from streams.topology import APPS

    plan = APPS[app]
    if settings.journal is not None:
        asyncio.run(reach(settings))
        lane = embedded_lane(settings, plan, settings.journal)
    else:
        lane = cluster_lane(settings, plan, asyncio.run(prepare(settings, plan)))
    run(make_app(settings, plan, lane))


async def _run_all() -> int:
    """Runs both apps as children; returns when asked to stop, or with the status of one that cannot run."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    keepers = [asyncio.create_task(_keep(name, stop, env), name=name) for name, env in _environments().items()]
    done, running = await asyncio.wait(keepers, return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    if running:
        done |= (await asyncio.wait(running))[0]
    return max(keeper.result() for keeper in done)


def _environments() -> dict[str, dict[str, str]]:
    """The children's environments: each shows its figures on a port of its own, the second on the next one."""
    from schemas.settings import load_settings

    port = load_settings().metrics_port
    own = [{} if not port else {"WST_METRICS_PORT": str(port + number)} for number in range(2)]
    return {name: os.environ | more for name, more in zip(("state", "usage"), own, strict=True)}


async def _keep(name: str, stop: asyncio.Event, env: dict[str, str]) -> int:
    """Keeps one child running; returns its status when it ends for good."""
    stopping = asyncio.create_task(stop.wait())
    deaths = 0
    ran = False
    while not stop.is_set():
        started_s = asyncio.get_running_loop().time()
        argv = (sys.executable, "-m", "schemas.wst", "worker", name)
        child = await asyncio.create_subprocess_exec(*argv, env=env, preexec_fn=die_with_parent())
        ended = asyncio.create_task(child.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            return await _end(child, ended)
        status = ended.result()
        ran = ran or status != _UNREACHABLE
        if status in _FINAL or not ran:
            return status
        deaths = 0 if asyncio.get_running_loop().time() - started_s > _STEADY_S else deaths + 1
        delay_s = _DELAYS_S[min(deaths, len(_DELAYS_S) - 1)]
        log.warning("the %s worker ended with %s: starting it again in %g s", name, status, delay_s)
        await asyncio.wait({stopping}, timeout=delay_s)
    return 0


async def _end(child: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> int:
    if child.returncode is None:
        child.terminate()
    await asyncio.wait({ended}, timeout=_STOP_S)
    if not ended.done():
        child.kill()
    return max(0, await ended)
