"""The dashboard in a real browser: first meaningful paint, bytes over the wire, frames with 1,000 workspaces, a stop on screen.

    python -m benchmarks.dashboard

The server is another process on the same machine, and so is the browser. *Paint*: from the begin of the navigation, with nothing
kept from before, to the first frame that shows rows of the list. *Wire*: bytes of all answers until the whole list is there, as the
network has them.
*Frames*: samples of a tenth of the workspaces come in every second while the list is scrolled, searched and sorted; a frame is the
time between two calls of requestAnimationFrame, a task what the page's own script took at a stretch. *Stop*: on a private Docker Engine
(as root), from when the container ended, as the engine says, to the first frame that shows it, by the host's one clock; first with the
page alone, then with 200 other WebSocket clients that are told the same.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import websockets
from playwright.sync_api import Browser, Page

from benchmarks.api import LISTENERS, serve
from tests.e2e.parts import Part, answers
from tests.platform import engine as engines
from tests.platform.browser import chromium
from tests.platform.process import PATIENCE_S, free_port, wait_until

VISITS, SECONDS, STOPS = 10, 20, 20
_WATCH_PAINT = """
  const look = () => {
    const row = document.querySelector('.rows .row:not([hidden]) .word');
    if (row && row.textContent) window.painted = performance.now(); else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
"""
_WATCH_FRAMES = """() => {
  window.frames_ms = []; window.tasks_ms = [];
  const note = (list) => { for (const one of list.getEntries()) window.tasks_ms.push(one.duration); };
  new PerformanceObserver(note).observe({ type: 'longtask' });
  let last = performance.now();
  const tick = (now) => { window.frames_ms.push(now - last); last = now; requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
}"""
_WATCH_WORD = """() => {
  window.seen = {};
  const look = () => {
    for (const row of document.querySelectorAll('.rows .row:not([hidden])')) {
      const key = row.querySelector('.link').textContent + ' ' + row.querySelector('.word').textContent;
      window.seen[key] ??= Date.now();
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""


def load() -> str:
    """For the line of a figure."""
    return f"load {os.getloadavg()[0]:.1f}"


def value_of(page: Page, script: str, argument: str = "") -> float:
    """What the page has noted, once it has: asked again and again, as its own rules forbid to evaluate text in it."""
    for _ in range(6_000):
        found = page.evaluate(script, argument)
        if found is not None:
            return float(found)
        page.wait_for_timeout(20)
    raise TimeoutError(script)


def visit(browser: Browser, url: str) -> tuple[float, int]:
    """One first visit: ms to the paint, bytes of all answers."""
    context = browser.new_context(viewport={"width": 1280, "height": 780})
    page = context.new_page()
    page.add_init_script(_WATCH_PAINT)
    sizes: list[int] = []
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.loadingFinished", lambda said: sizes.append(int(said["encodedDataLength"])))
    page.goto(url)
    painted = value_of(page, "() => window.painted")
    # The first rows are painted before the whole list is asked for: the wire counts all of it.
    page.locator(".totals", has_text="1000 workspaces").wait_for(timeout=120_000)
    page.wait_for_timeout(300)
    context.close()
    return painted, sum(sizes)


def frames(page: Page, url: str) -> None:
    """Uses the page for a while and tells of its frames."""
    page.goto(url)
    page.wait_for_selector(".rows .row:not([hidden]) .word")
    page.wait_for_timeout(1_000)
    page.evaluate(_WATCH_FRAMES)
    scroller, search = page.locator(".scroller"), page.locator("#search")
    for turn in range(SECONDS // 2):
        for step in range(8):
            scroller.evaluate("(node, share) => { node.scrollTop = share * node.scrollHeight }", (turn * 8 + step) % 17 / 17)
            page.wait_for_timeout(90)
        search.fill("maps" if turn % 2 else "")
        page.get_by_role("columnheader", name=("CPU", "Memory", "Status")[turn % 3]).get_by_role("button").click()
        page.wait_for_timeout(900)
    found = sorted(page.evaluate("window.frames_ms"))
    tasks = page.evaluate("window.tasks_ms")
    late = sum(one > 100 for one in found)
    print(
        f"frames: {len(found)}, p50 {statistics.median(found):.1f} ms, p99 {found[int(len(found) * 0.99)]:.1f} ms, most {found[-1]:.1f} ms"
    )
    print(f"  over 100 ms: {late}; scripts of 50 ms and more: {len(tasks)}, longest {max(tasks, default=0):.0f} ms; {load()}")


def with_a_thousand(browser: Browser) -> None:
    """Paint, wire and frames."""
    # Not forked: the browser's driver runs in this process by now.
    fresh = multiprocessing.get_context("spawn")
    ours, theirs = fresh.Pipe()
    server = fresh.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    url = ours.recv()
    visits = [visit(browser, url) for _ in range(VISITS)]
    paints = sorted(paint for paint, _ in visits)
    print(f"paint: median {statistics.median(paints):.0f} ms, most {paints[-1]:.0f} ms, of {VISITS} first visits; {load()}")
    print(f"wire: {max(size for _, size in visits) / 1000:.0f} KB at most, with the list of 1,000 workspaces")
    page = browser.new_page(viewport={"width": 1280, "height": 780})
    frames(page, url)
    page.close()
    ours.send(("end", 0))
    server.join(20)


def stops(browser: Browser) -> None:
    """Real containers that end, and the frames that show it."""
    with engines.DockerEngine() as engine, TemporaryDirectory() as folder:
        port = free_port()
        told = {"WST_DATA_DIR": str(Path(folder) / "data"), "WST_ENGINES": engine.url, "WST_ENGINE_NAME": "laptop"}
        with Part(("up", "--port", str(port)), told):
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: answers(url), "the tree answers", PATIENCE_S)
            page = browser.new_page(viewport={"width": 1280, "height": 780})
            page.goto(url)
            page.evaluate(_WATCH_WORD)
            tell("stop → screen", [one_stop(page, engine, f"w{number}") for number in range(STOPS)])
            with listening(url, LISTENERS):
                beside = [one_stop(page, engine, f"w{number}") for number in range(STOPS)]
                tell(f"stop → screen, {LISTENERS} clients beside", beside)
            page.close()


def tell(what: str, took: list[float]) -> None:
    """One line."""
    print(f"{what}: median {statistics.median(took):.0f} ms, most {max(took):.0f} ms, of {len(took)}; {load()}")


@contextmanager
def listening(url: str, count: int) -> Iterator[None]:
    """So many WebSocket clients that read all they are told, in a process of their own."""
    fresh = multiprocessing.get_context("spawn")
    ours, theirs = fresh.Pipe()
    process = fresh.Process(target=listen, args=(url, count, theirs), daemon=True)
    process.start()
    ours.recv()
    try:
        yield
    finally:
        process.terminate()
        process.join(10)


def listen(url: str, count: int, line: Connection) -> None:
    """The process of the clients; tells when all of them are connected."""

    async def hear() -> None:
        address = url.replace("http", "ws") + "/api/v1/stream"
        sockets = [await websockets.connect(address, proxy=None) for _ in range(count)]
        for socket in sockets:
            await socket.recv()
        line.send(len(sockets))

        async def read(socket: websockets.ClientConnection) -> None:
            async for _ in socket:
                pass

        await asyncio.gather(*map(read, sockets))

    asyncio.run(hear())


def one_stop(page: Page, engine: engines.DockerEngine, name: str) -> float:
    """Milliseconds from the engine's event to the frame."""
    page.evaluate("name => { for (const word of [' Active', ' Inactive']) delete window.seen[name + word]; }", name)
    engine.run(name, "sleep", "100000", options=("--label", f"workspace.id={name}", "--network", "none"))
    value_of(page, "name => window.seen[name + ' Active']", name)
    # It was inactive before, too: created, and not started yet.
    page.evaluate("name => { delete window.seen[name + ' Inactive']; }", name)
    engine.docker("stop", "--time", "0", name)
    seen = value_of(page, "name => window.seen[name + ' Inactive']", name)
    ended = engine.docker("inspect", "--format", "{{.State.FinishedAt}}", name).strip()
    engine.docker("rm", name)
    # Nanoseconds are more digits than Python reads.
    return seen - datetime.fromisoformat(ended[:23] + "+00:00").timestamp() * 1_000


def main() -> None:
    """Everything; the last part only where an engine can run."""
    with chromium() as browser:
        with_a_thousand(browser)
        missing = engines.missing()
        if missing:
            sys.stdout.write(f"stop → screen: not measured, {missing}\n")
        else:
            stops(browser)


if __name__ == "__main__":
    main()
