"""`wst doctor`: what is wrong, and what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from schemas.errors import WstError
    from schemas.settings import Settings
    from streams.cli.checks import Finding


@click.command(epilog="Example: wst doctor --json")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def doctor(as_json: bool) -> None:
    """Says what is wrong and what to do.

    The exit status is 1 when it found a fault.
    """
    import json
    from dataclasses import asdict

    from schemas.settings import load_settings

    findings = list(_look(load_settings()))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _show(findings)
    sys.exit(1 if any(finding.level == "fault" for finding in findings) else 0)


def _look(settings: Settings) -> Iterator[Finding]:
    from schemas.errors import WstError
    from streams.cli import checks, lag_checks, port_checks

    health = _health(settings)
    embedded = not isinstance(health, WstError) and bool(health.get("parts"))
    cluster = not embedded and bool(settings.model_fields_set & {"brokers", "clickhouse_url"})
    yield from checks.misspelt()
    yield from checks.api(health, settings.api)
    yield from port_checks.api(settings.api)
    yield from port_checks.figures(settings)
    if not isinstance(health, WstError):
        yield from _said_of_engines(settings)
    tree = checks.tree_here(health)
    if tree is not None:
        # What the running tree has, whatever this shell's settings would lead to.
        for url in tree.engines:
            yield from checks.engine_at(url, "the running tree")
        settings = settings.model_copy(update={"data_dir": tree.data_dir})
    else:
        yield from checks.configured_engines(settings)
    yield from checks.data_dir(settings.data_dir, holds_all=not cluster)
    # Without a tree that runs, and with a broker or archive named, a cluster is meant.
    if cluster:
        yield from checks.cluster(settings)
    yield from lag_checks.lag(lag_checks.look_of(settings, lambda: _health(settings), cluster=cluster))
    try:
        records = checks.control_records(settings, embedded or "brokers" not in settings.model_fields_set)
    except WstError:
        return  # said by `cluster` already
    yield from checks.producers(records, checks.now_ns())


def _said_of_engines(settings: Settings) -> Iterator[Finding]:
    from schemas.errors import WstError
    from streams.cli import engine_checks
    from streams.cli.client import Api, Params

    api = Api(settings)
    asked: Params = {"type": ["error", "recovery"], "newest_first": True, "limit": 1_000}
    try:
        lately = api.get("/api/v1/events", {**asked, "since": engine_checks.LOOK_BACK})["events"]
        this_hour = api.get("/api/v1/events", {**asked, "since": engine_checks.TWICE_LOOK_BACK})["events"]
    except WstError:
        return  # an archive that is away is said of the sink
    finally:
        api.close()
    yield from engine_checks.engines(lately)
    yield from engine_checks.twice(this_hour)


def _health(settings: Settings) -> Mapping[str, Any] | WstError:
    from schemas.errors import WstError
    from streams.cli.client import Api

    try:
        said: Mapping[str, Any] = Api(settings).get("/healthz", also_when_unwell=True)
        return said
    except WstError as error:
        return error


def _show(findings: list[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    from streams.cli.text import console, shown

    styles = {"ok": "green", "warning": "yellow", "fault": "bold red"}
    table = Table(box=None, pad_edge=False, show_header=False)
    for finding in findings:
        what = shown(finding.what)
        if finding.fix:
            what.append_text(shown(f": {finding.fix}", "dim" if finding.level == "ok" else ""))
        table.add_row(Text(finding.level, style=styles[finding.level]), shown(finding.part), what)
    console().print(table)
    faults = sum(finding.level == "fault" for finding in findings)
    console().print(Text("all is well" if not faults else f"{faults} fault{'' if faults == 1 else 's'} found"))
