"""Translates the hot modules into machine code: `python -m schemas.compile`; see `schemas/compiled.py`.

It wants mypy with setuptools (`pip install 'workspace-status[compiled]'`), a C compiler and Python's headers. Without one of them it says
so and changes nothing: everything runs as Python, slower.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.util import find_spec
from pathlib import Path

from schemas import compiled

#: Runs in a folder of its own: setuptools would take the project's files for its own business.
_BUILD = """
import sys
from mypyc.build import mypycify
from setuptools import setup
modules = mypycify(["--strict", "--ignore-missing-imports", *sys.argv.pop().split()])
setup(name="wst-compiled", packages=[], ext_modules=modules, script_args=["-q", "build_ext", "--build-lib", "out", "--build-temp", "temp"])
"""


def missing() -> str | None:
    """What is not there to translate with, and how to get it; None: all is there."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"a C compiler ({compiler}); on Debian: apt-get install gcc libc6-dev"
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        return "Python's headers; on Debian: apt-get install python3-dev"
    if find_spec("mypyc") is None or find_spec("setuptools") is None:
        return "mypy with setuptools; pip install 'mypy[mypyc]>=2,<3'"
    return None


def build() -> Path:
    """Translates the present sources, unless that was done; older translations go.

    Raises:
        subprocess.CalledProcessError: the compiler refused; its words are in `stderr`.
    """
    target = compiled.folder()
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".building-") as temporary:
        work = Path(temporary)
        for path in compiled.sources(*compiled.USED):
            copy = work / path.relative_to(compiled.ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        modules = [str(path.relative_to(compiled.ROOT)) for path in compiled.sources(*compiled.MODULES)]
        subprocess.run(
            [sys.executable, "-c", _BUILD, " ".join(modules)],
            cwd=work,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        built = work / "built"
        built.mkdir()
        for file in (work / "out").rglob(f"*{compiled.SUFFIX}"):
            file.rename(built / ".".join(file.relative_to(work / "out").parts))
        for old in target.parent.iterdir():
            if old != work and not old.name.startswith(".building-"):
                shutil.rmtree(old, ignore_errors=True)
        built.rename(target)
    return target


def main() -> int:
    """Builds, and says what became of it; nothing needs it, so what is missing is no failure unless `--required`."""
    without = missing()
    if without is not None:
        print(f"The hot modules stay Python, slower and otherwise the same: there is no {without}")  # noqa: T201
        return int("--required" in sys.argv)
    try:
        build()
    except subprocess.CalledProcessError as error:
        print(f"The hot modules stay Python, for they could not be compiled:\n{error.stdout}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
