"""What a stranger's SQL may say: judged from ClickHouse's own parse of it, never from its text as typed. Pure.

`readonly = 1` refuses writes, DDL, settings, and the table functions that reach files or the network. It does not refuse the
function `file()`, `INTO OUTFILE` of an embedded engine, `SETTINGS` of a subquery, the tables of other databases and some functions
that reach out: those are refused here. Three looks, each of which would do for most of what is hostile:

1. `formatQuerySingleLine` says it anew: one statement, no comments, one spelling. That text is what is looked at and what is run.
2. `EXPLAIN AST`: names of functions and tables, before anything of it is resolved.
3. `EXPLAIN QUERY TREE`: the same after names were resolved.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from schemas.errors import Refused

#: Table functions that make rows out of nothing.
HARMLESS: Final = frozenset(
    ("numbers", "numbers_mt", "generateseries", "generate_series", "values", "zeros", "zeros_mt", "null", "format", "primes", "view")
)
#: Tables beside the archive's own.
TABLES: Final = frozenset(("system.one", "system.numbers", "system.numbers_mt", "system.zeros", "system.zeros_mt"))
_FORBIDDEN: Final = re.compile(
    r"file|filesystem.*|(try)?dict(get|has|isin).*|joinget.*|sleep.*|ai[a-z]+|evalmlmethod|catboost.*|naivebayes.*|region[a-z]+"
    r"|hascolumnintable|logtrace|generateserialid|getserver.*|getmacro|getmergetreesetting|getclienthttpheader|currentrequesturl"
    r"|currenthandler|showcertificate|address.*|demangle|trace.*|zookeeper.*|fqdn|fullhostname|hostname|tcpport|python.*|chdb"
    r"|fuzzquery|transaction.*|mergetreepartinfo"
)
#: Parts of a query that hide a function's name or change settings.
_NODES: Final = {"ColumnsApplyTransformer": "APPLY", "Set": "SETTINGS"}
_OTHER_DATABASES: Final = frozenset(("system", "information_schema", "default", "_temporary_and_external_tables"))
_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`")
_PLAIN: Final = re.compile(r"`[\w .%()/:@+-]*`")
_SELECT: Final = re.compile(r"SELECT|WITH")
_EXPLAIN: Final = re.compile(r"EXPLAIN(?: SYNTAX| PLAN| QUERY TREE| PIPELINE| ESTIMATE)?(?: \w+ = \d+,?)* (?=SELECT|WITH)")
_NAME: Final = r"(?:(?P<database>\w+)\.)?(?P<table>\w+)"
_LOOKS: Final = re.compile(
    rf"SHOW TABLES(?: (?:NOT )?I?LIKE '(?:[^'\\]|\\.)*')?|(?:DESCRIBE TABLE|SHOW COLUMNS FROM|SHOW CREATE (?:TABLE|VIEW)) {_NAME}"
)
_AST: Final = re.compile(r"\s*(?P<node>Function|Identifier|TableIdentifier|\w+)(?: (?P<name>\S+))?")
_TREE: Final = re.compile(r"(?<=[ ,])(?P<what>table_name|table_function_name|function_name): (?P<name>[^,]+)")


def readable(canonical: str, database: str) -> str | None:
    """The SELECT in a statement that has to be looked at further; None: it only shows tables of the archive and may run.

    Args:
        canonical: the statement as `formatQuerySingleLine` says it.

    Raises:
        Refused: it is no question about the archive.
    """
    for quoted in _QUOTED.findall(canonical):
        # Names with anything else in them could forge lines of the dumps that are looked at below.
        if quoted.startswith("`") and not _PLAIN.fullmatch(quoted):
            raise Refused(f"sql: the name {quoted[:80]} has characters that are not allowed here", "choose a plainer alias")
    if _SELECT.match(canonical):
        return canonical
    explained = _EXPLAIN.match(canonical)
    if explained:
        return canonical[explained.end() :]
    look = _LOOKS.fullmatch(canonical)
    if look is None:
        raise Refused("sql: only SELECT, WITH, EXPLAIN of a SELECT, SHOW TABLES, SHOW COLUMNS, SHOW CREATE and DESCRIBE of a table are run")
    if look["database"] not in (None, database):
        raise Refused(f"sql: {look['database']} is not the archive", f"its database is {database}")
    return None


def judge_ast(lines: Iterable[str], database: str, table_functions: frozenset[str]) -> None:
    """Looks at a dump of EXPLAIN AST.

    Args:
        table_functions: names of all of them, in small letters.

    Raises:
        Refused: it names what may not be used.
    """
    for line in lines:
        found = _AST.match(line)
        if found is None:
            continue
        node, name = found["node"], found["name"] or ""
        if node in _NODES:
            raise Refused(f"sql: {_NODES[node]} may not be used here")
        if node == "Function":
            _judge_function(name, table_functions)
        elif node == "TableIdentifier" and "." in name:
            _judge_table(name, database)
        elif node == "Identifier" and name.lower().split(".")[0] in _OTHER_DATABASES and "." in name:
            # Of `x IN system.users` this look cannot tell a table from a column.
            _judge_table(name, database)


def judge_tree(lines: Iterable[str], database: str, table_functions: frozenset[str]) -> None:
    """Looks at a dump of EXPLAIN QUERY TREE.

    Raises:
        Refused: it uses what may not be used.
    """
    for line in lines:
        for found in _TREE.finditer(line):
            if found["what"] == "table_name":
                _judge_table(found["name"], database)
            else:
                _judge_function(found["name"], table_functions)


def _judge_function(name: str, table_functions: frozenset[str]) -> None:
    small = name.lower()
    if _FORBIDDEN.fullmatch(small) or (small in table_functions and small not in HARMLESS):
        raise Refused(f"sql: the function {name[:80]} may not be used here", "ask the archive's own tables and views")


def _judge_table(name: str, database: str) -> None:
    bare = name.replace("`", "")
    if not bare.startswith(f"{database}.") and bare not in TABLES:
        raise Refused(f"sql: the table {name[:80]} is not the archive's", "SHOW TABLES lists what there is")
