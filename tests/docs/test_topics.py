"""docs/topics.md says what schemas/topics.py does."""

from __future__ import annotations

import re
from pathlib import Path

from schemas.topics import ALL, DAY_MS

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "topics.md").read_text("utf-8")


def test_the_table_has_every_topic_with_its_subject_cleanup_and_retention() -> None:
    rows = re.findall(r"^\| `([a-z.]+)` \|(.*)\|$", TEXT, re.MULTILINE)
    told = {name: [cell.strip() for cell in rest.split("|")] for name, rest in rows}
    assert list(told) == [topic.name for topic in ALL]
    for topic in ALL:
        _, value, _, cleanup, retention = told[topic.name]
        assert f"(`{topic.subject}`)" in value
        assert cleanup == topic.cleanup
        assert retention == ("last of each key" if topic.retention_ms is None else f"{topic.retention_ms // DAY_MS} days")
