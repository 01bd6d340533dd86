"""What every service of docker-compose.yml has to be, as Compose itself reads the file."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from schemas.settings import Settings
from tests.compose.tools import OUR_IMAGE, compose
from tests.platform.process import ROOT

pytestmark = pytest.mark.compose

Stack = dict[str, Any]
JOBS = {"topics", "migrate"}
#: What the profile `grafana` adds.
LOOKERS = {"prometheus", "grafana"}


def services(stack: Stack) -> dict[str, Any]:
    return dict(stack["services"])


def ours(stack: Stack) -> dict[str, Any]:
    return {name: service for name, service in services(stack).items() if service["image"] == OUR_IMAGE}


def test_compose_accepts_the_file() -> None:
    done = compose("config", "--quiet", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_all_parts_of_the_system_are_there(stack: Stack) -> None:
    parts = {"producer", "worker-state", "worker-usage", "sink", "api"} | JOBS
    assert set(ours(stack)) == parts
    assert set(services(stack)) == parts | {"kafka", "clickhouse", "socket-proxy"} | LOOKERS


def test_prometheus_and_grafana_run_only_where_their_profile_is_asked_for(stack: Stack) -> None:
    plain = json.loads(compose("config", "--format", "json").stdout)
    assert set(services(stack)) - set(services(plain)) == LOOKERS
    assert {name for name, service in services(stack).items() if service.get("profiles") == ["grafana"]} == LOOKERS


def test_every_port_is_on_loopback_and_only_what_people_open_has_one(stack: Stack) -> None:
    ports = {name: service["ports"] for name, service in services(stack).items() if service.get("ports")}
    assert set(ports) == {"api", "grafana"}
    assert {port["host_ip"] for service in ports.values() for port in service} == {"127.0.0.1"}
    assert all(service.get("network_mode") is None for service in services(stack).values())


def test_every_service_has_bounds_and_gives_up_what_it_does_not_need(stack: Stack) -> None:
    for name, service in services(stack).items():
        assert int(service["mem_limit"]) > 0, name
        assert int(service["pids_limit"]) > 0, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert "privileged" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["logging"]["options"].keys() >= {"max-size", "max-file"}, name
        assert "container_name" not in service, f"{name} could not be scaled"


def test_our_parts_run_without_root_on_a_read_only_root(stack: Stack) -> None:
    for name, service in ours(stack).items():
        assert service["user"] == "10321:10321", name
        assert service["read_only"] is True, name


def test_every_service_is_started_again_and_says_how_it_does(stack: Stack) -> None:
    for name, service in services(stack).items():
        if name in JOBS:
            assert service["restart"].startswith("on-failure"), name
        else:
            assert service["restart"] == "unless-stopped", name
            assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), name


def test_parts_start_after_what_they_need(stack: Stack) -> None:
    needs = {
        name: {other: how["condition"] for other, how in service.get("depends_on", {}).items()} for name, service in services(stack).items()
    }
    healthy, done = "service_healthy", "service_completed_successfully"
    assert needs == {
        "kafka": {},
        "clickhouse": {},
        "socket-proxy": {},
        "topics": {"kafka": healthy},
        "migrate": {"clickhouse": healthy},
        "producer": {"socket-proxy": healthy, "topics": done},
        "worker-state": {"topics": done},
        "worker-usage": {"topics": done},
        "sink": {"topics": done, "migrate": done},
        "api": {"topics": done, "migrate": done},
        "prometheus": {},
        "grafana": {},
    }


def test_only_the_proxy_sees_the_engines_socket_and_only_the_producer_sees_the_proxy(stack: Stack) -> None:
    with_socket = [name for name, service in services(stack).items() if "docker.sock" in str(service.get("volumes", ""))]
    assert with_socket == ["socket-proxy"]
    assert {name for name, service in services(stack).items() if "engine" in service["networks"]} == {"socket-proxy", "producer"}
    assert list(services(stack)["socket-proxy"]["networks"]) == ["engine"]
    assert stack["networks"]["engine"]["internal"] is True
    assert stack["networks"]["data"]["internal"] is True


def test_no_secret_stands_in_the_environment_or_in_git(stack: Stack) -> None:
    for name, service in services(stack).items():
        for variable in service.get("environment", {}):
            assert not variable.endswith(("PASSWORD", "TOKEN", "SECRET", "CLICKHOUSE_URL")), f"{name}: {variable}"
    for secret in stack["secrets"].values():
        done = subprocess.run(["git", "check-ignore", "--quiet", secret["file"]], cwd=ROOT, check=False)
        assert done.returncode == 0, secret["file"]


def test_no_secret_is_packed_into_the_source_distribution(stack: Stack) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    left_out = project["tool"]["hatch"]["build"]["targets"]["sdist"]["exclude"]
    for secret in stack["secrets"].values():
        path = "/" + str(Path(secret["file"]).relative_to(ROOT))
        assert any(path.startswith(folder + "/") for folder in left_out), path


def test_each_secret_file_that_a_part_reads_is_given_to_it(stack: Stack) -> None:
    for name, service in ours(stack).items():
        read = {value for variable, value in service["environment"].items() if variable.endswith("_FILE")}
        assert read == {secret["target"] for secret in service.get("secrets", [])}, name


def test_each_setting_in_it_is_one_of_ours_and_makes_sense(stack: Stack) -> None:
    for name, service in ours(stack).items():
        given = {variable.removeprefix("WST_").lower(): value for variable, value in service["environment"].items()}
        fields = {field.removesuffix("_file") for field in given}
        assert fields <= set(Settings.model_fields), name
        Settings.model_validate({field: value for field, value in given.items() if not field.endswith("_file") and value})


def test_settings_of_the_user_reach_every_part() -> None:
    given = {"WST_PARTITIONS": "24", "WST_TOPIC_PREFIX": "team."}
    changed = json.loads(compose("config", "--format", "json", settings={**given, "WST_PORT": "9000"}).stdout)
    for name, service in ours(changed).items():
        assert service["environment"].items() >= given.items(), name
    assert changed["services"]["api"]["ports"][0]["published"] == "9000"


def test_volumes_hold_what_must_outlive_a_container(stack: Stack) -> None:
    kept = {
        volume["source"]: volume["target"]
        for service in services(stack).values()
        for volume in service.get("volumes", [])
        if volume["type"] == "volume"
    }
    assert kept == {
        "kafka-data": "/var/lib/kafka/data",
        "clickhouse-data": "/var/lib/clickhouse",
        "producer-data": "/data",
        "prometheus-data": "/prometheus",
        "grafana-data": "/var/lib/grafana",
    }


def test_files_that_are_mounted_exist(stack: Stack) -> None:
    for service in services(stack).values():
        for volume in service.get("volumes", []):
            if volume["type"] == "bind" and "docker.sock" not in volume["source"]:
                assert Path(volume["source"]).is_file(), volume["source"]
                assert volume["read_only"] is True, volume["source"]


def _copied_script(folder: Path) -> Path:
    script = folder / "deploy" / "make-secrets.sh"
    script.parent.mkdir()
    script.write_text((ROOT / "deploy" / "make-secrets.sh").read_text())
    return script


def test_secrets_are_made_once_unguessable_and_for_nobody_elses_eyes(tmp_path: Path) -> None:
    script = _copied_script(tmp_path)
    deploy = script.parent

    def make() -> dict[str, str]:
        subprocess.run(["sh", str(script)], check=True, capture_output=True, cwd=os.sep)
        return {path.name: path.read_text() for path in (deploy / "secrets").iterdir()}

    first = make()
    assert make() == first
    hashed = {
        "clickhouse_users.xml": first["clickhouse_url"].split(":")[2].split("@")[0],
        "clickhouse_reader.xml": first["clickhouse_reader"],
    }
    plain = {name: first[name] for name in ("api_token", "api_read_token", "grafana_password")} | {
        f"of {name}": it for name, it in hashed.items()
    }
    assert set(first) == {*hashed, "api_token", "api_read_token", "grafana_password", "clickhouse_url", "clickhouse_reader"}
    assert {len(secret) for secret in plain.values()} == {48}
    assert len(set(plain.values())) == len(plain)
    for name, password in hashed.items():
        found = ElementTree.fromstring(first[name]).find("users//password_sha256_hex")  # noqa: S314  our own script wrote it
        assert found is not None
        assert found.text == hashlib.sha256(password.encode()).hexdigest()
    assert stat.S_IMODE((deploy / "secrets").stat().st_mode) == 0o700
    (deploy / "secrets" / "api_token").unlink()
    again = make()
    assert again["api_token"] != first["api_token"]
    assert {**again, "api_token": ""} == {**first, "api_token": ""}


def test_a_reader_may_read_only_and_change_no_setting_but_how_long_it_may_take(tmp_path: Path) -> None:
    """ClickHouse's users are not to be had here: this is what its documentation asks of such a user."""
    subprocess.run(["sh", str(_copied_script(tmp_path))], check=True, capture_output=True)
    users = ElementTree.parse(tmp_path / "deploy" / "secrets" / "clickhouse_reader.xml")  # noqa: S314  our own script wrote it
    assert [one.text for one in users.iterfind("users/wst_reader/grants/query")] == ["GRANT SELECT ON wst.*"]
    assert users.findtext("users/wst_reader/profile") == "wst_reader"
    assert users.findtext("profiles/wst_reader/readonly") == "1"
    constraints = users.find("profiles/wst_reader/constraints")
    assert constraints is not None
    assert [one.tag for one in constraints] == ["max_execution_time"]
