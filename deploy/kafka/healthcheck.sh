#!/usr/bin/env bash
# Does the broker answer an ApiVersions request? The tools that ship with Kafka would ask the same,
# at the price of a Java start each time.
set -eu
exec 3<>"/dev/tcp/${1:-127.0.0.1}/${2:-9092}"
# Length 10, then: key 18, version 0, correlation id 7, no client id.
printf '\0\0\0\012\0\022\0\0\0\0\0\007\377\377' >&3
# The answer: its length, our correlation id, error code 0.
answer="$(timeout 4 head -c 10 <&3 | od -An -tx1 | tr -d ' \n')"
[ "${answer:8}" = 000000070000 ]
