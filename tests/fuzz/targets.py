"""What is fuzzed: every decoder and parser of input that others wrote, or that lay on a disk.

| module | input |
|---|---|
| `of_log` | values of every topic, in every version, and their headers: codec, the three fast decoders beside it, rows, what an API shows |
| `of_folds` | records that decode well and say anything, through the three agents, and what those keep and send read again |
| `of_engine` | an engine's JSON, raw answers and event stream; labels; addresses |
| `of_disk` | values in changelogs and checkpoints, journals, recordings, exports, `wst.toml` |
| `of_api` | requests and WebSockets |
| `of_texts` | times, cursors, places, SQL, dead letters |
"""

from __future__ import annotations

from tests.fuzz import of_api, of_disk, of_engine, of_folds, of_log, of_texts
from tests.fuzz.corpus import answered, written
from tests.fuzz.target import Target


def all_targets() -> list[Target]:
    """Everything."""
    log = written()
    return [
        *of_log.targets(log),
        *of_folds.targets(log),
        *of_engine.targets(answered()),
        *of_disk.targets(log),
        *of_texts.targets(),
        *of_api.targets(),
    ]
