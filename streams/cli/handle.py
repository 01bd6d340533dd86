"""`wst handle`: tells what happens to logs, webhooks, notification services and plug-ins."""

from __future__ import annotations

import click


@click.command(epilog="Example: wst handle --check")
@click.option("--check", is_flag=True, help="Only look whether all handlers can be made; none is told anything.")
def handle(check: bool) -> None:
    """Runs the handlers of [[handlers]] in wst.toml.

    `wst up` does it by itself.
    """
    import logging

    from schemas.errors import SettingError
    from schemas.logs import log_to_stderr
    from schemas.settings import load_settings
    from streams.handlers.config import configs, make_handler
    from streams.handlers.run import run_until_signal

    settings = load_settings()
    if not settings.handlers:
        raise SettingError("there are no handlers", "write [[handlers]] into wst.toml; docs/handlers.md shows how")
    if check:
        for config in configs(settings.handlers):
            make_handler(config)
            click.echo(f"{config.name}: {config.type} can be made")
        return
    log_to_stderr(settings.log_format, logging.INFO)
    for name in ("aiokafka", "httpx", "httpcore", "apprise"):
        logging.getLogger(name).setLevel(logging.WARNING)
    run_until_signal(settings)
