"""
Named queries as values.

    folder ──files──▶ sources ──text.parse──▶ definitions ──load──▶ Queries
                                                                       │
                                    queries.users.get ──▶ Query ──call──▶ Bound

Nothing here does any I/O but `load`, which reads files once.
"""

from raxol_sql.queries.load import load, records_of
from raxol_sql.queries.query import BoundQuery, Query
from raxol_sql.queries.registry import Queries

__all__ = ["BoundQuery", "Queries", "Query", "load", "records_of"]
