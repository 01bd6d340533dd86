"""The API's listeners do not use up the files of a process that begins with few."""

from __future__ import annotations

import subprocess
import sys

import pytest

_LIMITED = """
import resource
from streams.api.files import raise_limit
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
print(raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "then"),
    [(256, 4_000, 4_000), (256, 256, 256), (300, 20_000, 8_192), (9_000, 20_000, 9_000)],
)
def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be_and_never_lowered(soft: int, hard: int, then: int) -> None:
    done = subprocess.run([sys.executable, "-c", _LIMITED.format(soft=soft, hard=hard)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(then), str(then), str(hard)]
