"""The usage fold beside other ways of reading Kafka from Python."""
