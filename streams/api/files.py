"""How many files, and so connections, the API may have open at once."""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import Final

#: Enough for all listeners, as many requests, and what the process itself has open.
_ENOUGH: Final = 8_192


def raise_limit() -> int:
    """Raises the soft limit of open files as far as the hard one lets it, where it is low; what it is then.

    Many systems begin a process with 1,024, which the listeners alone would use up: others could not even be told so.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(_ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # a system may allow less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
