"""What producers and streams agree on: schemas, topics, identity, the journal, settings and errors."""

from schemas.compiled import install

install()
