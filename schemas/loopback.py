"""Addresses that programs of this machine listen on: who reaches them, and how this machine does."""

from __future__ import annotations

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether an address reaches this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def url_here(host: str, port: int) -> str:
    """How a client on this machine reaches what listens there."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # where everyone is let in, loopback is too
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
