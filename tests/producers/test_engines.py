"""Several engines of one producer: told apart by name and id, the same after a restart, and no password is said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import ValidationError

from producers.app import connect
from producers.engine import DockerEngine, unreachable
from producers.engines import identify
from producers.store import Store
from producers.transport import short
from schemas.errors import SettingError, Unreachable
from schemas.settings import Settings
from tests.producers.scripted import ScriptedEngine, scripted_engine


@pytest.fixture
def clones() -> Iterator[list[ScriptedEngine]]:
    """Machines cloned from one: the same id and host name."""
    with ExitStack() as stack:
        yield [stack.enter_context(scripted_engine()) for _ in range(3)]


async def identities(folder: Path, *entries: str, **settings: str) -> list[tuple[str, str]]:
    given = connect(Settings(engines=list(entries), **settings))  # type: ignore[arg-type]
    store = Store(folder)
    try:
        return await identify(given, store)
    finally:
        store.close()
        for each in given:
            each.engine.close()


async def test_clones_with_names_get_ids_of_their_own_and_keep_them_in_any_order(clones: list[ScriptedEngine], tmp_path: Path) -> None:
    a, b, c = (f"{name}={engine.url}" for name, engine in zip(("a", "Build", "c"), clones, strict=True))
    first = {"a": "SCRIPTED", "Build": (await identities(tmp_path, a, b))[1][0]}
    assert first["Build"].startswith("SCRIPTED/build-")
    assert await identities(tmp_path, c, b, a) == [("SCRIPTED/c", "c"), (first["Build"], "Build"), ("SCRIPTED", "a")]
    # Alone it is who it was.
    assert await identities(tmp_path, b) == [(first["Build"], "Build")]


async def test_an_engine_that_gets_a_name_keeps_its_id(clones: list[ScriptedEngine], tmp_path: Path) -> None:
    a, b, _ = clones
    assert await identities(tmp_path, b.url) == [("SCRIPTED", "scripted")]
    assert await identities(tmp_path, f"a={a.url}", f"b={b.url}") == [("SCRIPTED/a", "a"), ("SCRIPTED", "b")]


async def test_a_name_at_the_url_beats_the_setting_which_is_of_the_first(clones: list[ScriptedEngine], tmp_path: Path) -> None:
    a, b, _ = clones
    assert [name for _, name in await identities(tmp_path / "1", a.url, f"b={b.url}", engine_name="laptop")] == ["laptop", "b"]
    assert [name for _, name in await identities(tmp_path / "2", f"a={a.url}", b.url, engine_name="laptop")] == ["a", "scripted"]


async def test_one_name_twice_is_refused_with_the_fix(clones: list[ScriptedEngine], tmp_path: Path) -> None:
    for other_id, what in (("SCRIPTED", "names the engine scripted twice"), ("OTHER", "two engines are called scripted")):
        clones[1].engine_id = other_id
        with pytest.raises(SettingError) as caught:
            await identities(tmp_path, clones[0].url, clones[1].url)
        assert what in caught.value.message
        assert "one=URL" in caught.value.hint


async def test_a_given_id_is_of_one_engine_and_replaces_what_it_says(clones: list[ScriptedEngine], tmp_path: Path) -> None:
    a, b, _ = clones
    assert await identities(tmp_path, a.url) == [("SCRIPTED", "scripted")]
    assert await identities(tmp_path, a.url, engine_id="clone-7") == [("clone-7", "scripted")]
    with pytest.raises(SettingError, match="WST_ENGINE_ID"):
        await identities(tmp_path, f"a={a.url}", f"b={b.url}", engine_id="clone-7")
    for wrong in ("x" * 101, "two words", "*"):  # a request to * is one to all producers
        with pytest.raises(ValidationError):
            Settings(engine_id=wrong)


def test_user_and_password_of_an_engine_are_never_said() -> None:
    with pytest.raises(Unreachable) as caught:
        DockerEngine("tcp://me:hunter2@127.0.0.1:1")
    assert "tcp://***@127.0.0.1:1" in caught.value.message
    said = [caught.value.message, caught.value.hint, short(OSError("http://me:hunter2@far: no route"))]
    said.append(unreachable("x", ValueError("Invalid bind address format: tcp://me:hunter2@far:port")).hint)
    with pytest.raises(Unreachable) as wrong:
        DockerEngine("tcp://me:hunter2@far:port")
    assert "hunter2" not in " ".join([*said, wrong.value.message, wrong.value.hint])
