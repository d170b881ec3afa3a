"""
SQL text to query definitions: pure, without a database and without psycopg.

    bytes ──source──▶ Source ──lexer──▶ tokens ──parser──▶ Definition ──variants──▶ Statement

`source` knows files and places, `lexer` PostgreSQL's tokens, `header` our comment lines,
`statement` what may stand as a query's statement, `copying` what a COPY moves, `template` the
parts of a body, `variants` which statements a body can become, and `parser` puts a file together.
`fingerprint` says which texts are the same statement with other values.
"""

from raxol_sql.text.definition import CopyShape, Definition, Directives, Kind
from raxol_sql.text.header import name_problem
from raxol_sql.text.parser import parse
from raxol_sql.text.source import Source
from raxol_sql.text.statement import first_word_of, literals, writes
from raxol_sql.text.variants import Statement

__all__ = [
    "CopyShape",
    "Definition",
    "Directives",
    "Kind",
    "Source",
    "Statement",
    "first_word_of",
    "literals",
    "name_problem",
    "parse",
    "writes",
]
