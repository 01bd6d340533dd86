"""`wst set`: changes an interval of the producers while they run."""

from __future__ import annotations

import click

from streams.cli.asking import ask, show


@click.command(name="set", epilog="Example: wst set collect-interval 5s")
@click.argument("setting", type=click.Choice(["collect-interval", "sync-interval"]))
@click.argument("duration")
@click.option("--engine", help="Only this engine, by id or name; else all.")
@click.option("--json", "as_json", is_flag=True, help="For programs: the answer of the API.")
def set_(setting: str, duration: str, engine: str | None, as_json: bool) -> None:
    """Sets how often samples are taken or engines are listed.

    Producers keep it over their restarts.
    """
    name = setting.removesuffix("-interval")
    answer = ask("PUT", f"/api/v1/intervals/{name}", {"every": duration, "engine": engine})
    where = f"at {answer['engine']}" if answer["engine"] else "at all engines"
    show(answer, f"{setting} is {answer['seconds']:g} s {where}", as_json=as_json)
