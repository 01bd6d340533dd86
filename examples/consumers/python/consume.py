"""Reads workspace.changes with no code of wst: confluent-kafka, fastavro and the published schemas.

    python consume.py --brokers 127.0.0.1:9092 --schemas ../../../schemas/avro/event

Prints one JSON object per event, each once: delivery is at least once, and an event that comes again has the same id.
"""

import argparse
import io
import json
import struct
import sys
import urllib.request
from collections import OrderedDict
from pathlib import Path

from confluent_kafka import Consumer
from fastavro import parse_schema, schemaless_reader
from fastavro.schema import fingerprint, to_parsing_canonical_form

KNOWN_IDS = 100_000


def published(folder):
    """Fingerprint → schema, of every version in a folder."""
    schemas = [json.loads(path.read_text("utf-8")) for path in sorted(Path(folder).glob("v*.avsc"))]
    return {bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")): parse_schema(schema, {}) for schema in schemas}


class Decoder:
    """Takes both framings: single-object encoding, and Confluent's where there is a registry."""

    def __init__(self, folder, registry=None):
        self.schemas = published(folder) if folder else {}
        self.registry = registry
        self.by_id = {}

    def decode(self, value):
        if value[:2] == b"\xc3\x01":  # marker, fingerprint of the writer's schema, body
            return schemaless_reader(io.BytesIO(value[10:]), self.schemas[value[2:10]], None)
        if value[:1] == b"\x00" and self.registry:  # magic byte, the schema's id in the registry, body
            return schemaless_reader(io.BytesIO(value[5:]), self.schema_of(struct.unpack(">I", value[1:5])[0]), None)
        raise ValueError(f"no Avro of wst: begins with {value[:2].hex()}")

    def schema_of(self, number):
        if number not in self.by_id:
            with urllib.request.urlopen(f"{self.registry}/schemas/ids/{number}", timeout=10) as answer:  # noqa: S310
                self.by_id[number] = parse_schema(json.loads(json.load(answer)["schema"]), {})
        return self.by_id[number]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brokers", default="127.0.0.1:9092")
    parser.add_argument("--topic", default="wst.workspace.changes")
    parser.add_argument("--group", default="example-python")
    parser.add_argument("--schemas", help="folder with v1.avsc, v2.avsc, …")
    parser.add_argument("--registry", help="address of a schema registry, where the records carry its framing")
    parser.add_argument("--count", type=int, help="end after so many events")
    given = parser.parse_args()

    decoder = Decoder(given.schemas, given.registry)
    known = OrderedDict()
    consumer = Consumer(
        {"bootstrap.servers": given.brokers, "group.id": given.group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    )
    consumer.subscribe([given.topic])
    try:
        while given.count is None or len(known) < given.count:
            message = consumer.poll(1.0)
            if message is None or message.value() is None:
                continue
            if message.error():
                print(message.error(), file=sys.stderr)
                continue
            event = decoder.decode(message.value())
            if event["id"] not in known:
                known[event["id"]] = None
                if len(known) > KNOWN_IDS:
                    known.popitem(last=False)
                print(json.dumps(event), flush=True)
            # After it was dealt with: what a crash left undone comes again.
            consumer.commit(message, asynchronous=False)
    finally:
        consumer.close()


if __name__ == "__main__":
    main()
