"""What programs read: signs that a terminal obeys are escaped in JSON, and in CSV where a terminal shows it."""

from __future__ import annotations

import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.cli.plain import echo_csv, json_text
from tests.face.api_parts import served, whole_state
from tests.face.test_cli import wst

#: A C1 introducer of escape sequences, delete, and signs that turn a line round.
OBEYED = "a\x9b31mb\x7fc\u202ed\u2066e\u200ff"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@given(st.text() | st.sampled_from([OBEYED]))
def test_json_says_the_same_and_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    written = json_text({"name": text.encode("utf-8", "replace").decode()})
    assert json.loads(written)["name"] == text.encode("utf-8", "replace").decode()
    assert not any(sign in written for sign in OBEYED if not sign.isprintable())


def test_a_name_of_such_signs_reaches_no_terminal_as_it_is() -> None:
    with served(whole_state("shop@laptop", workspace_name=OBEYED)) as api:
        said = wst("status", "shop@laptop", "--json", WST_API=api.url).stdout
    assert json.loads(said)["name"] == OBEYED
    assert not any(sign in said for sign in OBEYED if not sign.isprintable())


def test_csv_is_as_it_is_in_a_file_and_visible_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'name,n\r\n"가\t\x9b",1\r\n'
    for out, said, wanted in (
        (io.StringIO(), text, text),
        (Terminal(), text, 'name,n\r\n"가\\t\\x9b",1\r\n'),
        (Terminal(), "\x1b[31m\r\n", "\\x1b[31m\r\n"),
    ):
        monkeypatch.setattr(sys, "stdout", out)
        echo_csv(said)
        assert out.getvalue() == wanted
