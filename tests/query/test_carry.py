"""Export and import: an embedded history arrives in another archive as it was, twice changes nothing, and what is not whole is refused."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from clickhouse_connect.driver import Client

from schemas.errors import Refused
from streams import migrate
from streams.query.carry import Bounds, Cost, plan, read
from streams.query.clickhouse_archive import ClickHouseArchive
from streams.sinks.clickhouse import Address, connect
from tests.face.api_parts import Served, served, whole_state
from tests.face.test_cli import wst, wst_process
from tests.platform.clickhouse_http import ClickHouseHttpServer
from tests.query.story import DAY_NS
from tests.sinks.records import T0_NS
from tests.sinks.test_views import VIEWS


@pytest.fixture(scope="module")
def api(filled: Address) -> Iterator[Served]:
    with served(whole_state("shop@laptop"), archive=lambda: ClickHouseArchive(filled)) as serving:
        yield serving


@pytest.fixture(scope="module")
def exported(api: Served, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "backup"
    done = wst("export", str(path), WST_API=api.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{path}: " in done.stdout
    return path


@pytest.fixture
def cluster(clickhouse_http: ClickHouseHttpServer) -> Iterator[tuple[Address, Client]]:
    address = Address(clickhouse_http.url, f"t{uuid4().hex[:10]}")
    client = connect(address)
    migrate.apply(address, client)
    yield address, client
    client.command(f"DROP DATABASE `{address.database}`")
    client.close()


def settings(address: Address) -> dict[str, str]:
    return {"WST_CLICKHOUSE_URL": address.url, "WST_CLICKHOUSE_DATABASE": address.database}


def seen(client: Client, address: Address) -> dict[str, list[Any]]:
    def rows(view: str) -> list[Any]:
        result = client.query(f"SELECT * FROM `{address.database}`.{view} ORDER BY ALL", query_formats={"DateTime64": "int"})
        return [repr(row) for row in result.result_rows]

    return {view: rows(view) for view in VIEWS}


def test_an_embedded_history_arrives_in_a_cluster_as_it_was_and_twice_changes_nothing(
    filled: Address, exported: Path, cluster: tuple[Address, Client]
) -> None:
    address, client = cluster
    here = connect(filled)
    wanted = seen(here, filled)
    here.close()
    assert all(wanted[view] for view in ("samples", "usage_hourly", "usage_daily", "state_intervals", "workspaces", "workspace_changes"))
    for _ in range(2):
        done = wst("import", str(exported), **settings(address))
        assert (done.returncode, done.stderr) == (0, "")
        assert seen(client, address) == wanted


def test_one_tar_file_is_the_same_and_a_range_is_a_part(
    api: Served, exported: Path, cluster: tuple[Address, Client], tmp_path: Path
) -> None:
    done = wst("export", str(tmp_path / "some.tar"), "--since", "2d", "--until", "2h", WST_API=api.url)
    assert done.returncode == 0, done.stderr
    with tarfile.open(tmp_path / "some.tar") as tar:
        manifest = json.loads(tar.extractfile("manifest.json").read())  # type: ignore[union-attr]  # it is a file
        assert set(tar.getnames()) == {"manifest.json", *manifest["files"]}
    whole = json.loads((exported / "manifest.json").read_bytes())
    # The latest states are no history: they are carried as a whole or not at all.
    assert "workspaces_rows/all.parquet" in whole["files"]
    assert "workspaces_rows/all.parquet" not in manifest["files"]
    address, client = cluster
    assert wst("import", str(tmp_path / "some.tar"), **settings(address)).returncode == 0
    first = client.query(f"SELECT min(hour) FROM `{address.database}`.usage_hourly", query_formats={"DateTime64": "int"}).result_rows[0][0]
    assert first * 10**6 >= T0_NS - DAY_NS
    assert client.query(f"SELECT count() FROM `{address.database}`.workspaces").result_rows == [(0,)]


def test_a_stopped_trees_archive_is_exported_and_imported_without_anyone_serving_it(exported: Path, tmp_path: Path) -> None:
    archive = tmp_path / "tree" / "archive"
    archive.mkdir(parents=True)
    assert wst_process("migrate", WST_CLICKHOUSE_URL=f"chdb://{archive}").returncode == 0
    done = wst_process("import", str(exported), "--data", str(tmp_path / "tree"))
    assert (done.returncode, done.stderr) == (0, "")
    again = wst_process("export", str(tmp_path / "again"), "--data", str(tmp_path / "tree"))
    assert (again.returncode, again.stderr) == (0, "")
    first, second = (json.loads((path / "manifest.json").read_bytes()) for path in (exported, tmp_path / "again"))
    assert {name: file["rows"] for name, file in first["files"].items()} == {name: file["rows"] for name, file in second["files"].items()}


def test_what_is_not_whole_is_refused_before_a_row_of_it_is_taken(exported: Path, cluster: tuple[Address, Client], tmp_path: Path) -> None:
    address, client = cluster

    def refused(change: Any) -> str:
        copy = tmp_path / uuid4().hex
        shutil.copytree(exported, copy)
        change(copy)
        done = wst("import", str(copy), **settings(address))
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done
        return done.stderr

    def manifest(**changes: Any) -> Any:
        def change(copy: Path) -> None:
            said = json.loads((copy / "manifest.json").read_bytes()) | changes
            (copy / "manifest.json").write_text(json.dumps(said))

        return change

    def cut(copy: Path) -> None:
        victim = next(copy.glob("usage_hourly_rows/*"))
        victim.write_bytes(victim.read_bytes()[:-10])

    assert "is not what was exported" in refused(cut)
    assert "lacks usage_daily_rows/" in refused(lambda copy: shutil.rmtree(copy / "usage_daily_rows"))
    assert "is no export of wst" in refused(lambda copy: (copy / "manifest.json").unlink())
    assert "is of format 99" in refused(manifest(format=99))
    assert "of another or a newer wst (it has 9999_x.sql)" in refused(manifest(migrations={"9999_x.sql": "0"}))
    outside = {"../../etc/passwd_rows/all.parquet": {"rows": 1, "bytes": 1, "sha256": ""}}
    assert "names a file" in refused(manifest(files=outside))
    assert client.query(f"SELECT count() FROM `{address.database}`.usage_hourly").result_rows == [(0,)]


def test_latest_states_of_a_younger_log_do_not_hide_those_of_an_older_one(exported: Path, cluster: tuple[Address, Client]) -> None:
    address, client = cluster
    client.command(f"INSERT INTO `{address.database}`.workspaces_rows (workspace_id, log_epoch) VALUES ('shop@laptop', 0)")
    done = wst("import", str(exported), **settings(address))
    assert (done.returncode, "--without-states" in done.stderr) == (1, True)
    assert wst("import", str(exported), "--without-states", **settings(address)).returncode == 0
    assert client.query(f"SELECT log_epoch FROM `{address.database}`.workspaces").result_rows == [(0,)]
    assert client.query(f"SELECT count() > 0 FROM `{address.database}`.samples").result_rows == [(1,)]


@pytest.mark.parametrize("cost", [Cost(row_bytes=1), Cost(memory_bytes=1)])
def test_a_file_that_costs_too_much_is_refused_with_what_to_do(filled: Address, cluster: tuple[Address, Client], cost: Cost) -> None:
    here = connect(filled)
    (chunk, *_) = [chunk for chunk in plan(here, filled, Bounds())[1] if chunk.table == "usage_hourly_rows"]
    assert read(here, filled, chunk.table, chunk.part, Bounds())[:4] == b"PAR1"
    with pytest.raises(Refused, match=r"^usage_hourly_rows \d+ costs more than a file may.*--since and --until"):
        read(here, filled, chunk.table, chunk.part, Bounds(), cost)
    here.close()
    address, client = cluster
    table = f"`{address.database}`.usage_hourly_rows"
    client.command(f"INSERT INTO {table} (workspace_id, start) SELECT toString(number), now() FROM numbers(2)")
    (served,) = [chunk for chunk in plan(client, address, Bounds())[1] if chunk.table == "usage_hourly_rows"]
    with pytest.raises(Refused, match="costs more than a file may"):
        read(client, address, served.table, served.part, Bounds(), cost)


def test_an_export_overwrites_nothing_and_leaves_nothing_half(api: Served, exported: Path, tmp_path: Path) -> None:
    done = wst("export", str(exported), WST_API=api.url)
    assert (done.returncode, f"{exported} exists" in done.stderr) == (2, True)
    done = wst("export", str(tmp_path / "x"), WST_API="http://127.0.0.1:1")
    assert done.returncode == 3
    assert list(tmp_path.iterdir()) == []
