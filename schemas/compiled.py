"""The hot modules as machine code, where somebody built it; the same modules as Python everywhere else.

`python -m schemas.compile` (`make compiled`) translates the modules of `MODULES` with mypyc and puts them below the Python environment,
in a folder named by a hash of all sources they were made of. On import the folder of the sources that are there is looked for: code made
of other sources is never found, so it can be neither stale nor half built. No folder, and everything is Python, with the same results.

`WST_COMPILED=off` leaves it unused.
"""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
from collections.abc import Sequence
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

#: The folder that holds the packages.
ROOT: Final = Path(__file__).resolve().parent.parent
#: What a compiled module is named like, in this Python.
SUFFIX: Final = str(sysconfig.get_config_var("EXT_SUFFIX") or ".so")
#: Where all that was built lies: one folder for each state of the sources.
FOLDER: Final = Path(sys.prefix) / "lib" / "wst-compiled"
#: What is translated: all that is done for each sample, and for each fact.
MODULES: Final = (
    "schemas/avro_bytes.py", "schemas/event_encoder.py", "schemas/tick_decoder.py", "schemas/tick_frame.py",
    "schemas/usage_decoder.py", "schemas/usage_encoder.py", "streams/columns/*.py",
    "streams/core/alerts.py", "streams/core/apply_*.py", "streams/core/changes.py", "streams/core/commands.py",
    "streams/core/condition.py", "streams/core/containers.py", "streams/core/counters.py", "streams/core/fact*.py",
    "streams/core/figures.py", "streams/core/gathering.py", "streams/core/histogram.py", "streams/core/idle.py", "streams/core/problems.py",
    "streams/core/rates.py", "streams/core/samples.py", "streams/core/sightings.py", "streams/core/state.py", "streams/core/step.py",
    "streams/core/thresholds.py", "streams/core/updates.py", "streams/core/usage*.py", "streams/core/window*.py", "streams/core/words.py",
    "streams/core/workspace.py", "streams/log_facts.py", "streams/owed.py", "streams/replay/refold.py", "streams/usage_agent.py",
    "streams/usage_telling.py",
)  # fmt: skip
#: What it may use; constants of these modules become part of the code.
USED: Final = (
    "schemas/*.py",
    "schemas/py.typed",
    "streams/__init__.py",
    "streams/columns/*.py",
    "streams/core/*.py",
    "streams/log_facts.py",
    "streams/owed.py",
    "streams/replay/__init__.py",
    "streams/replay/refold.py",
    "streams/usage_agent.py",
    "streams/usage_telling.py",
    "streams/py.typed",
)


def sources(*patterns: str) -> list[Path]:
    """Files below the root by pattern, in order."""
    return sorted({path for pattern in patterns for path in ROOT.glob(pattern)})


@cache
def folder() -> Path:
    """Where the translation of the present sources lies, if there is one."""
    found = hashlib.sha256(SUFFIX.encode())
    for path in sources(*USED):
        found.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return FOLDER / found.hexdigest()[:32]


class _Finder(MetaPathFinder):
    def __init__(self, files: dict[str, Path]) -> None:
        self._files = files

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        file = self._files.get(name)
        return None if file is None else spec_from_file_location(name, file)


def install() -> bool:
    """Lets imports find what is compiled of the present sources; whether anything is. To be called before the modules are imported."""
    if os.environ.get("WST_COMPILED") == "off" or not FOLDER.is_dir() or not folder().is_dir():
        return False
    sys.meta_path.insert(0, _Finder({file.name.removesuffix(SUFFIX): file for file in folder().glob(f"*{SUFFIX}")}))
    return True
