"""`wst token`: the API's token and the link that logs a browser in."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(epilog="Example: wst token --data ~/.local/share/wst")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Data directory (default: WST_DATA_DIR).")
@click.option("--json", "as_json", is_flag=True, help="For programs: token and link.")
def token(data: Path | None, as_json: bool) -> None:
    """Prints the API's token, and a link that logs a browser in.

    One is made where there is none. On loopback none is needed.
    """
    from urllib.parse import quote

    from schemas.settings import load_settings
    from schemas.tokens import make_token
    from streams.cli.asking import show

    settings = load_settings()
    set_ones = {"WST_API_TOKEN": settings.api_token, "WST_API_READ_TOKEN": settings.api_read_token}
    # As the API has it: where one is set, also the reading one alone, it takes no token of the data directory.
    where, found = next(((name, secret.get_secret_value()) for name, secret in set_ones.items() if secret), ("data directory", ""))
    found = found or make_token(data or settings.data_dir)
    link = f"{settings.api.rstrip('/')}/#token={quote(found, safe='')}"
    if as_json:
        show({"token": found, "link": link, "from": where}, "", as_json=True)
        return
    show(None, f"token  {found}{' (may only read)' if where == 'WST_API_READ_TOKEN' else ''}", as_json=False)
    show(None, f"link   {link}", as_json=False)
