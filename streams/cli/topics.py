"""`wst topics`: the topics on Kafka, compared with what they must be."""

from __future__ import annotations

import click


@click.group(epilog="Example: wst topics plan")
def topics() -> None:
    """Compares the topics on Kafka with what they must be.

    `plan` shows the steps that lead there, `apply` takes them.
    """


@topics.command(epilog="Example: wst topics plan --json")
@click.option("--json", "as_json", is_flag=True, help="For programs: a list of what is to do.")
def plan(as_json: bool) -> None:
    """Shows what `apply` would do.

    The exit status is 1 when there is something to do.
    """
    import json
    import sys

    found = _run(apply=False)
    if as_json:
        click.echo(json.dumps(found))
        sys.exit(1 if found else 0)
    for line in found or ["all topics are as they must be"]:
        click.echo(line)
    sys.exit(1 if found else 0)


@topics.command(epilog="Example: WST_PARTITIONS=12 WST_REPLICATION_FACTOR=3 wst topics apply")
def apply() -> None:
    """Creates what is missing and sets what differs.

    Topics that are not ours are refused.
    """
    for line in _run(apply=True) or ["all topics are as they must be"]:
        click.echo(line)


def _run(*, apply: bool) -> list[str]:
    import asyncio

    from schemas.settings import load_settings
    from streams.cli.topic_admin import TopicAdmin

    async def run() -> list[str]:
        async with TopicAdmin(load_settings()) as admin:
            steps = await admin.plan()
            if apply:
                await admin.apply(steps)
            return [str(step) for step in steps]

    return asyncio.run(run())
