"""
Named queries as values.

    folder ──files──▶ sources ──text.parse──▶ definitions ──load──▶ Queries
                                                                       │
                                    queries.users.get ──▶ Query ──call──▶ BoundQuery

Only `load` does I/O: it reads the files once.
"""

from raxol_sql.queries.load import load, records_of
from raxol_sql.queries.query import BoundQuery, Query
from raxol_sql.queries.registry import Queries

__all__ = ["BoundQuery", "Queries", "Query", "load", "records_of"]
