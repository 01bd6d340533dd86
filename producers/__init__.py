"""Producers: one process beside each host's Docker Engines that publishes what they say, show and count."""

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any


class _Later(ModuleType):
    """In the place of a module until something of it is asked for. (importlib's LazyLoader loads at the next import already.)"""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def _load_when_used(name: str) -> None:
    spec = find_spec(name) if name not in sys.modules else None
    if spec is not None:
        sys.modules[name] = _Later(name)
        sys.modules[name].__spec__ = spec


# The Docker SDK imports it for connections by ssh, which `ssh` itself makes here: 16 MB of each producer that nothing used.
_load_when_used("paramiko")
