"""
The tables of the live database, and checks of queries and records against them.

`describing` reads a `table` from the catalogue. `proof` has the server prepare every statement
without running it, `lint` compares the catalogue with good practice, and both return findings.
"""

from raxol_sql.schema.describing import describe
from raxol_sql.schema.finding import Finding, Level
from raxol_sql.schema.lint import lint
from raxol_sql.schema.proof import Origin, Proof, prove
from raxol_sql.schema.table import Column, Constraint, Table

__all__ = [
    "Column",
    "Constraint",
    "Finding",
    "Level",
    "Origin",
    "Proof",
    "Table",
    "describe",
    "lint",
    "prove",
]
