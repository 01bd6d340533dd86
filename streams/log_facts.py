"""Facts as the log and the archive have them: one reader for everyone who folds them."""

from __future__ import annotations

from typing import Final

from schemas import topics
from schemas.codec import codec, plain
from streams.core.fact_bytes import FactReader
from streams.core.facts import Fact

_FACT: Final = codec(topics.DOCKER_EVENTS.subject)
_READER: Final = FactReader(_FACT.header, _FACT.decode)


def read_fact(value: bytes | None) -> Fact:
    """Makes a fact of an encoded one, in either framing.

    Raises:
        Undecodable, InvalidMessage: the input's fault.
    """
    return _READER.read(plain(value))
