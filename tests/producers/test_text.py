"""Texts of the engine: what may be a secret is left out, what a person needs stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.record import inspected
from producers.text import without_commands
from tests.producers.test_record import INSPECT

RUNC = "failed to create task for container: OCI runtime create failed: runc create failed: unable to start container process: "
#: As Docker 20.10 and 26.1 say it with runc, and Podman with crun.
ERRORS = [
    (
        RUNC + 'exec: "psql postgres://u:pw@h": stat psql postgres://u:pw@h: no such file or directory: unknown',
        RUNC + 'exec: "psql …": stat psql …: no such file or directory: unknown',
    ),
    (
        RUNC + 'exec: "./a pw/c": stat ./a pw/c: no such file or directory: unknown',
        RUNC + 'exec: "./a …": stat ./a …: no such file or directory: unknown',
    ),
    (RUNC + r'exec: "say \"pw\" x": executable file not found in $PATH', RUNC + 'exec: "say …": executable file not found in $PATH'),
    (RUNC + 'exec: "say \\"pw\\" x": stat say "pw" x: no', RUNC + 'exec: "say …": stat say …: no'),
    (RUNC + 'exec: "TOKEN=pw": executable file not found', RUNC + 'exec: "…": executable file not found'),
    (RUNC + 'exec: "psql pw', RUNC + 'exec: "psql …'),
    (
        "crun: executable file `psql `cat pw` x` not found in $PATH: No such file",
        "crun: executable file `psql …` not found in $PATH: No such file",
    ),
    ("failed to initialize logging driver: dial tcp://u:pw@h:1", "failed to initialize logging driver: dial tcp://***@h:1"),
]
#: What says nothing secret is what a person needs to read.
PLAIN = [
    RUNC + 'exec: "/docker-entrypoint.sh": permission denied: unknown',
    RUNC + 'exec: "nothere": executable file not found in $PATH: unknown',
    'could not select device driver "" with capabilities: [[gpu]]',
    "driver failed programming external connectivity on endpoint web (1a2b): Bind for 0.0.0.0:80 failed: port is already allocated",
    'error mounting "/srv/app" to rootfs at "/app": not a directory: unknown',
]


@pytest.mark.parametrize(("said", "kept"), [*ERRORS, *((plain, plain) for plain in PLAIN)])
def test_an_error_of_the_engine_goes_on_without_the_command_line_it_quotes(said: str, kept: str) -> None:
    told = inspected({**INSPECT, "State": {"Error": said}}).record["error"]
    assert told == kept
    assert "pw" not in told
    assert without_commands(kept) == kept, "a recording that is played was cleaned before"


@given(st.text(alphabet='"`\\ a:é\n\t', max_size=60))
def test_of_a_command_line_however_it_is_spelt_only_the_first_word_is_kept(noise: str) -> None:
    command = f"psql {noise} hunter2 {noise}"
    as_go_quotes = command.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    for said in (f'exec: "{as_go_quotes}": stat {command}: no', f"crun: executable file `{command}` not found"):
        assert "hunter2" not in without_commands(said)
        assert "psql …" in without_commands(said)


def test_an_error_without_end_is_read_in_no_time() -> None:
    assert len(without_commands('exec: "a b" `' * 1_000_000)) < 10_000
