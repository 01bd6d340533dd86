"""The schema gate: every version of a subject reads what every other version wrote (FULL_TRANSITIVE).

`python -m schemas.compatibility` runs in the build and ends with 1 when a pair of versions does not fit, or
when a version that was published has been changed.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from importlib import resources
from itertools import permutations
from typing import Any

from schemas.codec import subjects, versions


def conflicts(subject: str, by_version: Mapping[int, dict[str, Any]]) -> Iterator[str]:
    """What keeps one version from reading another, a line each; both ways for every pair."""
    from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
    from avro.schema import make_avsc_object

    parsed = {number: make_avsc_object(schema) for number, schema in by_version.items()}
    for reader, writer in permutations(parsed, 2):
        checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]  # avro's own constructor has no types
        result = checker.get_compatibility(parsed[reader], parsed[writer])
        if result.compatibility is not SchemaCompatibilityType.compatible:
            for message in sorted(result.messages) or ["no reason given"]:
                yield f"{subject}: version {reader} cannot read version {writer}: {message}"


def digest(schema: Mapping[str, Any]) -> str:
    """SHA-256 of a schema's content, documentation apart: words may improve after a release, nothing else."""
    return hashlib.sha256(json.dumps(_without_docs(schema), sort_keys=True).encode()).hexdigest()


def changed_since_published(subject: str, by_version: Mapping[int, dict[str, Any]], published: Mapping[str, str]) -> Iterator[str]:
    """Published versions that are gone or are no longer what they were, a line each."""
    for label, known in published.items():
        name, _, number = label.partition("/")
        if name == subject and (int(number) not in by_version or digest(by_version[int(number)]) != known):
            yield f"{subject}: version {number} was published and must stay as it was; add a version instead"


def _without_docs(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _without_docs(value) for name, value in node.items() if name != "doc"}
    return [_without_docs(item) for item in node] if isinstance(node, list) else node


def main() -> int:
    """Checks every subject; prints what does not fit."""
    published: dict[str, str] = json.loads(resources.files("schemas").joinpath("avro", "published.json").read_text("utf-8"))
    faults: list[str] = []
    pairs = 0
    for subject in subjects():
        known = versions(subject)
        pairs += len(known) * (len(known) - 1)
        faults += conflicts(subject, known)
        faults += changed_since_published(subject, known, published)
    for fault in faults:
        sys.stderr.write(fault + "\n")
    sys.stdout.write(f"schemas: {len(subjects())} subjects, {pairs} pairs of versions, {len(faults)} faults\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
