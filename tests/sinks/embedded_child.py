"""An archive's only process, told line by line what to do: of a disk that takes no more, only the next one can go on."""

from __future__ import annotations

import asyncio
import resource
import sys
from pathlib import Path

from schemas import topics
from schemas.errors import WstError
from streams import migrate
from streams.sinks.clickhouse import Address, ClickHouseSink, connect, explained, written
from tests.sinks import records
from tests.sinks.records import arrive, position, rows_of

FACTS = "wst.docker_events_rows"


def main(directory: Path) -> None:
    """Commands: `write FIRST LAST` facts, `copy` them, `merge`, `limit BYTES` of any file, `count` of facts that can be read."""
    address = Address(f"chdb://{directory}", "wst")
    client = connect(address)
    migrate.apply(address, client)
    sink = ClickHouseSink(address)
    for line in sys.stdin:
        name, *numbers = line.split()
        said = "done"
        try:
            match name:
                case "write":
                    first, last = map(int, numbers)
                    facts = (records.fact(f"f{n}", f"shop{n}@laptop") for n in range(first, last + 1))
                    arrivals = [arrive(topics.DOCKER_EVENTS, fact, position(n)) for n, fact in enumerate(facts, first)]
                    asyncio.run(sink.write(rows_of(topics.DOCKER_EVENTS, *arrivals)))
                case "copy":
                    with written(address, client), explained(address):
                        client.command(f"INSERT INTO {FACTS} SELECT * REPLACE (concat('copy of ', id) AS id) FROM {FACTS}")
                case "merge":
                    with explained(address):
                        client.command(f"OPTIMIZE TABLE {FACTS} FINAL")
                case "limit":
                    resource.setrlimit(resource.RLIMIT_FSIZE, (int(numbers[0]), resource.RLIM_INFINITY))
                case "count":
                    said = str(client.query("SELECT count(), uniqExact(id) FROM wst.docker_events").result_rows[0])
        except WstError as error:
            said = f"{type(error).__name__} {error}"
        sys.stdout.write(said + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
