"""
The live database: what its tables are, and whether queries and records fit them.

`describing` asks the catalogue what a `table` is. `proof` puts every statement before the server
without running it, `lint` asks the catalogue what good practice asks, and both give findings.
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
