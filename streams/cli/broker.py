"""`wst broker`: the embedded broker, a part of `wst up`."""

from __future__ import annotations

import click


@click.command(hidden=True, epilog="Example: WST_JOURNAL=/tmp/wst/journal.sqlite wst broker")
def broker() -> None:
    """Serves the journal of `wst up` over Kafka's protocol, on a loopback port."""
    from schemas.settings import load_settings
    from streams.embedded.run import run_broker

    run_broker(load_settings())
