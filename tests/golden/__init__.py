"""Golden cases: two answers of an engine's stats call in, the row that is read of them out."""
