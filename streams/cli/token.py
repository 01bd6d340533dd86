"""`wst token`: the API's token and the link that logs a browser in."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(epilog="Example: wst token --data ~/.local/share/wst")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Data directory (default: WST_DATA_DIR).")
@click.option("--json", "as_json", is_flag=True, help="For programs: token and link.")
def token(data: Path | None, as_json: bool) -> None:
    """Prints the API's token and the link that logs a browser in; made when there is none. On loopback none is needed."""
    from urllib.parse import quote

    from schemas.settings import load_settings
    from schemas.tokens import make_token
    from streams.cli.asking import show

    settings = load_settings()
    own = settings.api_token.get_secret_value() if settings.api_token else None
    found = own or make_token(data or settings.data_dir)
    link = f"{settings.api.rstrip('/')}/#token={quote(found, safe='')}"
    if as_json:
        show({"token": found, "link": link, "from": "WST_API_TOKEN" if own else "data directory"}, "", as_json=True)
        return
    show(None, f"token  {found}", as_json=False)
    show(None, f"link   {link}", as_json=False)
