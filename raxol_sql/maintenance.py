"""Maintenance from a program: vacuum, analyze and reindex, as `raxol-sql maintain` runs them."""

from raxol_sql.ops.maintenance.attendant import Attendant
from raxol_sql.ops.maintenance.maintenance import Maintained, Result, analyze, reindex, vacuum
from raxol_sql.ops.maintenance.relation import Index, Relation, indexes, tables

__all__ = [
    "Attendant",
    "Index",
    "Maintained",
    "Relation",
    "Result",
    "analyze",
    "indexes",
    "reindex",
    "tables",
    "vacuum",
]
