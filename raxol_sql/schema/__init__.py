"""
The live database: what its tables are, and whether queries and records fit them.

`proof` puts every statement before the server without running it, `lint` asks the catalogue what
good practice asks, and both give findings.
"""

from raxol_sql.schema.finding import Finding, Level
from raxol_sql.schema.lint import lint
from raxol_sql.schema.proof import Origin, Proof, prove

__all__ = ["Finding", "Level", "Origin", "Proof", "lint", "prove"]
