"""Which workspace a container belongs to: the table, the escaping, what is not tracked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.identity import WORKSPACE_ID, Policy, escape, identify, storable_labels, why_untracked

COMPOSE = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}
FOLDER = {"devcontainer.local_folder": "/home/ana/shop-front"}

TABLE = [
    # labels, id (… ends in a hash), name, grouped by, service
    ({"workspace.id": "team:ml@all"}, "team:ml@all", "team:ml@all", "workspace_label", None),
    ({"workspace.id": "a", "workspace.name": "A!", **COMPOSE}, "a", "A!", "workspace_label", "web"),
    ({"coder.workspace_id": "6f0c", "coder.workspace_name": "ben", **COMPOSE}, "6f0c", "ben", "coder", "web"),
    (COMPOSE, "shop@laptop", "shop", "compose", "web"),
    ({**COMPOSE, **FOLDER}, "shop@laptop", "shop-front", "compose", "web"),
    (FOLDER, "shop-front-…@laptop", "shop-front", "devcontainer", None),
    ({"devcontainer.local_folder": r"c:\work\Shop\\"}, "shop-…@laptop", "Shop", "devcontainer", None),
    ({"dev.containers.id": "default-sh-1a2b3"}, "default-sh-1a2b3@laptop", "default-sh-1a2b3", "devpod", None),
    ({"dev.containers.id": "base-ubuntu"}, "c1@laptop", "c1", "ephemeral", None),
    ({"com.docker.stack.namespace": "mon", "com.docker.swarm.service.name": "mon_db"}, "mon@laptop", "mon", "stack", "db"),
    ({"com.docker.swarm.service.name": "db"}, "db@laptop", "db", "swarm_service", "db"),
    ({}, "c1@laptop", "c1", "ephemeral", None),
    ({"workspace.id": ""}, "c1@laptop", "c1", "ephemeral", None),
]


@pytest.mark.parametrize(("labels", "workspace_id", "name", "grouped_by", "service"), TABLE)
def test_the_first_rule_that_matches_names_the_workspace(
    labels: dict[str, str], workspace_id: str, name: str, grouped_by: str, service: str | None
) -> None:
    found = identify(labels, "c1", "laptop")
    begin, _, end = workspace_id.partition("…")
    assert found.workspace_id.startswith(begin)
    assert found.workspace_id.endswith(end)
    assert ("…" in workspace_id) or found.workspace_id == workspace_id
    assert (found.workspace_name, found.grouped_by, found.service) == (name, grouped_by, service)


def test_two_folders_of_one_name_are_two_workspaces() -> None:
    ids = {identify({"devcontainer.local_folder": f"/home/{who}/app"}, "c", "e").workspace_id for who in ("ana", "ben")}
    assert len(ids) == 2


def test_one_project_on_two_engines_is_two_workspaces_and_a_workspace_id_spans_them() -> None:
    assert len({identify(COMPOSE, "c", engine).workspace_id for engine in ("a", "b")}) == 2
    assert len({identify({"workspace.id": "x"}, "c", engine).workspace_id for engine in ("a", "b")}) == 1


def test_the_order_of_the_rules_is_configurable() -> None:
    labels = {"coder.workspace_id": "6f0c", **COMPOSE}
    assert identify(labels, "c", "e", ("compose", "coder")).grouped_by == "compose"


NASTY = ["a\nb", "\x1b[31mred", "<script>alert(1)</script>", 'quo"te', "'; DROP TABLE", "..", "日本語", "A" * 500, "x@y", "\ud800"]


@pytest.mark.parametrize("name", NASTY)
def test_nasty_names_survive_as_data_and_their_ids_are_escaped(name: str) -> None:
    labels = {"workspace.id": name, "workspace.name": name}
    for found in (identify(labels, "c", "e"), identify({}, name, name), identify({"com.docker.compose.project": name}, "c", "e")):
        assert WORKSPACE_ID.fullmatch(found.workspace_id)
        found.workspace_name.encode()
        assert found.workspace_name[:100] == name.encode("utf-8", "replace").decode()[:100]


@given(st.text(), st.text())
def test_any_name_on_any_engine_gives_an_id_of_the_alphabet(name: str, engine: str) -> None:
    for labels in ({}, {"workspace.id": name}, {"com.docker.compose.project": name}, {"devcontainer.local_folder": name}):
        assert WORKSPACE_ID.fullmatch(identify(labels, name, engine).workspace_id)


@given(st.text(), st.text())
def test_different_names_give_different_ids(one: str, other: str) -> None:
    assert (escape(one) == escape(other)) == (one == other)


UNTRACKED = [
    ({"workspace.ignore": "true"}, "c", "img", Policy(), "workspace_ignore"),
    ({"com.docker.compose.oneoff": "True"}, "c", "img", Policy(), "compose_oneoff"),
    ({"com.docker.compose.oneoff": "False"}, "c", "img", Policy(), None),
    ({"org.testcontainers": "true"}, "c", "img", Policy(), "excluded"),
    ({}, "web-1", "img", Policy(exclude=("name:web-*",)), "excluded"),
    ({}, "c", "registry/tool:1", Policy(exclude=("image:*/tool:*",)), "excluded"),
    ({}, "c", "tool:1", Policy(exclude=("tool:1",)), "excluded"),
    ({}, "web", "img", Policy(include=("name:db",)), "not_included"),
    ({"tier": "db"}, "web", "img", Policy(include=("label:tier=d*",)), None),
    ({}, "web", "img", Policy(), None),
]


@pytest.mark.parametrize(("labels", "name", "image", "policy", "reason"), UNTRACKED)
def test_what_is_not_tracked_has_a_reason(labels: dict[str, str], name: str, image: str, policy: Policy, reason: str | None) -> None:
    assert why_untracked(labels, name, image, policy) == reason


def test_only_allowed_labels_are_stored_and_their_size_is_bounded() -> None:
    labels = {**COMPOSE, "workspace.team": "x" * 10**6, "db.password": "hunter2", "team.owner": "ana"}
    stored = storable_labels(labels, Policy(labels_include=("team.*",)))
    assert set(stored) == {*COMPOSE, "workspace.team", "team.owner"}
    assert len(stored["workspace.team"]) == 1_000
    assert len(storable_labels({f"workspace.{n}": "" for n in range(10_000)}, Policy())) == 40
