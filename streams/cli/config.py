"""`wst config`: every setting, its value, and where that came from."""

from __future__ import annotations

import os
from typing import Any, Final

import click

#: What is said of a variable that begins like a setting.
UNKNOWN: Final = "no setting of wst: it changes nothing"


@click.command(epilog="Example: wst config --json")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--example", is_flag=True, help="A wst.toml with every setting at its default, commented out.")
def config(as_json: bool, example: bool) -> None:
    """Shows every setting, its value and where it came from.

    Secrets stay hidden.
    """
    import json

    from rich.table import Table

    from streams.cli.text import console, shown

    if example:
        click.echo(example_toml(), nl=False)
        return
    found = settings_shown()
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("SETTING", "VALUE", "FROM", "WHAT IT IS"):
        table.add_column(name, overflow="fold")
    for setting in found:
        style = "bold yellow" if setting["description"] == UNKNOWN else "" if setting["from"] == "default" else "bold"
        table.add_row(*(shown(setting[name], style) for name in ("name", "value", "from", "description")))
    console().print(table)


def settings_shown() -> list[dict[str, Any]]:
    """Name, value, origin and description of every setting, and of variables that are none, by name."""
    from schemas.settings import PREFIX, SECRETS, Settings, load_settings, toml_path, unknown_variables

    settings = load_settings()
    path = toml_path()
    in_file = _names_in(path) if path else set()
    # The value of a misspelt secret is a secret.
    rows = [{"name": name, "value": "", "from": name, "description": UNKNOWN} for name in unknown_variables()]
    for name, field in Settings.model_fields.items():
        variable = PREFIX + name.upper()
        value = getattr(settings, name)
        if os.environ.get(variable):
            origin = variable
        elif name in SECRETS and os.environ.get(f"{variable}_FILE"):
            origin = f"{variable}_FILE"
        else:
            origin = str(path) if name in in_file else "default"
        rows.append({"name": variable, "value": _value(name, value), "from": origin, "description": field.description or ""})
    return sorted(rows, key=lambda row: str(row["name"]))


def example_toml() -> str:
    """Every setting with what it is for, at its default: the file `wst.example.toml`."""
    import json

    from schemas.settings import SECRETS, Settings

    lines = ["# Settings of wst, all at their defaults: copy to wst.toml and take the # away from what you change.", ""]
    for name, field in Settings.model_fields.items():
        if name == "journal":  # between `wst up` and its parts
            continue
        lines.append(f"# {field.description}")
        default = field.get_default(call_default_factory=True) if name not in (*SECRETS, "data_dir") else None
        shown = json.dumps(default) if isinstance(default, int | float | str | list) else '"…"'
        lines += [f"# {name} = {shown}", ""]
    return "\n".join(lines[:-1]) + "\n"


def _names_in(path: Any) -> set[str]:
    import tomllib

    return set(tomllib.loads(path.read_text("utf-8")))


def _value(name: str, value: Any) -> str:
    from pydantic import SecretStr

    from schemas.engines import masked_url

    if isinstance(value, SecretStr):
        return _without_password(value.get_secret_value()) if name.endswith("_url") else "(hidden)"
    if name == "handlers":  # their options may hold secrets
        return " ".join(f"{table.get('name', '?')}:{table.get('type', '?')}" for table in value)
    if isinstance(value, list):
        return " ".join(masked_url(word) if isinstance(word, str) else word.model_dump_json() for word in value)
    if isinstance(value, str):
        return masked_url(value) if "://" in value else value
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _without_password(url: str) -> str:
    """An address without user, password and query: any of them may be secret."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    hidden = "(hidden)@" if "@" in parts.netloc else ""
    return f"{parts.scheme}://{hidden}{host}{parts.path}" + ("?(hidden)" if parts.query else "")
