"""An export's files by themselves: whatever is wrong with them is said in one line."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import Refused
from streams.cli.carried import FORMAT, MANIFEST, Export, writer

GOOD: dict[str, Any] = {"format": FORMAT, "epoch": 1, "migrations": {}, "files": {"samples_rows/1.parquet": {"rows": 1, "sha256": "x"}}}


@pytest.mark.parametrize(
    "said",
    [
        GOOD | {"epoch": "0001-01-01T00:00:00Z"},
        GOOD | {"migrations": None},
        GOOD | {"files": 2**64},
        GOOD | {"files": {"samples_rows/1.parquet": 1}},
        GOOD | {"files": {"samples_rows/1.parquet": {"rows": 1}}},
        GOOD | {"files": {"samples_rows/1.parquet": {"rows": None, "sha256": "x"}}},
        {name: told for name, told in GOOD.items() if name != "epoch"},
        [GOOD],
        7,
    ],
)
def test_a_manifest_that_says_something_else_is_of_no_export_of_ours(tmp_path: Path, said: Any) -> None:
    (tmp_path / MANIFEST).write_text(json.dumps(said))
    with pytest.raises(Refused, match="is no export of wst"):
        Export(tmp_path)


def test_a_manifest_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("[" * 100_000)
    with pytest.raises(Refused, match="is no export of wst"):
        Export(tmp_path)


def test_a_member_that_takes_a_gigabyte_of_memory_and_none_of_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "export.tar"
    made = writer(path)
    made.add(MANIFEST, json.dumps(GOOD).encode())
    made.finish()
    assert len(json.dumps(GOOD)) < 512
    sparse = tarfile.TarInfo("samples_rows/1.parquet")
    sparse.type = tarfile.GNUTYPE_SPARSE
    head = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
    head[483:495] = b"%011o\0" % (1 << 30)  # its size unpacked
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    with tarfile.open(path) as good:
        end = good.getmember(MANIFEST).offset_data + 512
    path.write_bytes(path.read_bytes()[:end] + bytes(head) + bytes(10_240))
    export = Export(path)
    with pytest.raises(Refused, match=r"lacks samples_rows/1\.parquet"):
        export.check()
    export.close()
