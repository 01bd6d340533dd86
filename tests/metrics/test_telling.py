"""A part tells its figures: to who may ask on a port, and to its tree through a file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from schemas.errors import SettingError
from schemas.metrics import Figure, system
from schemas.metrics.telling import OLD_S, Teller, read_figures, write_figures
from schemas.settings import Settings
from tests.metrics.test_exposition import samples


def some() -> Iterator[Figure]:
    yield system.SAMPLES.at(7, "laptop")


@asynccontextmanager
async def on_a_port(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    teller = Teller(settings, "producer", some)
    task = asyncio.create_task(teller.run())
    while not teller.address:
        await asyncio.sleep(0.01)
        assert not task.done(), task.result()
    try:
        async with httpx.AsyncClient(base_url=teller.address) as client:
            yield client
    finally:
        task.cancel()


async def test_a_part_with_a_port_answers_prometheus_and_nothing_else() -> None:
    async with on_a_port(Settings(metrics_port=0)) as part:
        shown = samples((await part.get("/metrics")).content)
        assert shown["wst_producer_samples_total", "laptop", "producer"] == 7
        assert shown["wst_part_resident_memory_bytes", "producer"] > 1 << 20
        assert (await part.get("/other")).status_code == 404
        assert (await part.post("/metrics")).status_code == 405
        assert (await part.get("/metrics", headers={"Host": "evil.example"})).status_code == 421
        assert (await part.head("/metrics")).content == b""


async def test_what_is_no_request_is_cut_off_and_others_are_answered() -> None:
    async with on_a_port(Settings(metrics_port=0)) as part:
        url = part.base_url
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(b"x" * 100_000)
        assert await reader.read() == b""
        writer.close()
        assert (await part.get("/metrics")).status_code == 200


async def test_with_a_token_only_who_has_it_may_read() -> None:
    settings = Settings(metrics_port=0, metrics_host="0.0.0.0", api_read_token=SecretStr("read"))
    async with on_a_port(settings) as part:
        port = part.base_url.port
        assert (await part.get(f"http://127.0.0.1:{port}/metrics")).status_code == 401
        told = {"Authorization": "Bearer read", "Host": "worker-state:9464"}
        assert (await part.get(f"http://127.0.0.1:{port}/metrics", headers=told)).status_code == 200
        told["Authorization"] = "bearer read"
        assert (await part.get(f"http://127.0.0.1:{port}/metrics", headers=told)).status_code == 200


async def test_open_to_others_without_a_token_is_refused() -> None:
    with pytest.raises(SettingError, match="would be open to everyone"):
        await Teller(Settings(metrics_port=0, metrics_host="0.0.0.0"), "sink", some).run()


async def test_without_a_port_or_a_tree_nothing_runs() -> None:
    await Teller(Settings(), "sink", some).run()


def test_a_tree_reads_what_its_parts_wrote_lately_and_only_what_is_declared(tmp_path: Path) -> None:
    write_figures(tmp_path / "figures" / "producer.json", "producer", some())
    assert list(read_figures(tmp_path)) == [("producer", [system.SAMPLES.at(7, "laptop")])]
    told = json.loads((tmp_path / "figures" / "producer.json").read_text())
    told["figures"] += [["wst_evil", [], 1], ["wst_producer_samples_total", [], 1]]
    (tmp_path / "figures" / "producer.json").write_text(json.dumps(told))
    assert list(read_figures(tmp_path)) == [("producer", [system.SAMPLES.at(7, "laptop")])]
    assert list(read_figures(tmp_path, now=lambda: told["at"] + OLD_S + 1)) == []
    for broken in ("", "{", "[]", '{"at": 1e99}', "7"):
        (tmp_path / "figures" / "producer.json").write_text(broken)
        assert list(read_figures(tmp_path)) == []
