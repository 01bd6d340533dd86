"""`wst idle --dry-run`: what an idle policy would have done."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from streams.cli.times import Time

Json = dict[str, Any]


@click.command(epilog="Example: wst idle --dry-run --since 30d --inactive-after 2d --archive-after 14d")
@click.option("--dry-run", is_flag=True, required=True, help="Say what it would have done over recorded history; nothing is changed.")
@click.option("--since", type=Time(), metavar="TIME", help="From then on: 30d, yesterday 14:00, RFC 3339; without it: all of history.")
@click.option("--inactive-after", metavar="DURATION", help="Instead of WST_IDLE_INACTIVE_AFTER: marked idle after so long without use.")
@click.option("--archive-after", metavar="DURATION", help="Instead of WST_IDLE_ARCHIVE_AFTER: archived after so long without use.")
@click.option("--json", "as_json", is_flag=True, help="For programs: a list.")
def idle(dry_run: bool, since: datetime | None, inactive_after: str | None, archive_after: str | None, as_json: bool) -> None:
    """Shows when the idle policy would have acted, and on what."""
    from schemas.errors import SettingError
    from schemas.settings import load_settings
    from streams.cli.client import Api

    settings = load_settings()
    asked: dict[str, str | int] = {} if since is None else {"since": since.astimezone(UTC).isoformat()}
    for name, given, set_s in (
        ("inactive_after", inactive_after, settings.idle_inactive_after),
        ("archive_after", archive_after, settings.idle_archive_after),
    ):
        if given is not None or set_s is not None:
            asked[name] = given if given is not None else f"{set_s:g}s"
    if not {"inactive_after", "archive_after"} & asked.keys():
        raise SettingError("the idle policy is off", "try one: --inactive-after 2d, --archive-after 14d")
    found = Api(settings).get("/api/v1/idle", asked)
    if as_json:
        from streams.cli.plain import echo_json

        echo_json(found)
    else:
        _show(found)


def _show(found: list[Json]) -> None:
    from streams.cli.text import console, local, shown

    out = console()
    for one in found:
        line = shown(f"{local(one['due'])}  ", "dim")
        line.append_text(shown(f"{one['workspace_id']}", "cyan"))
        out.print(line.append_text(shown(f"  {one['reason']}; last used {local(one['last_use'])}")), soft_wrap=True)
    out.print(shown(f"it would have acted {len(found)} times" if found else "it would have done nothing", "bold"))
