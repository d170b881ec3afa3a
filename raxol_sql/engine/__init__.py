"""
Running queries: the only package that knows connections, and how a statement is sent.

    Database ──────┐                                                    ┌─ psycopg.Connection
                   ├─▶ Executor ─▶ Sessions ─▶ Session ─▶ Wire ─▶ libpq ┤
    AsyncDatabase ─┘   (one flow of control, async def)     └▶ Waiting  └─ psycopg.AsyncConnection

From above: `blocking` and `aio` are the two facades. `executor` runs a query; `many`, `stepping`
(of a `multi`) and `batch` run several that share round trips; `streaming` and `copying` move
rows. `sessions` are taken from a pool, or are the one of a `transaction`; a `session` is what one
connection can do, with the `statements` that it has prepared, whose `parameters` and `columns`
go over the `wire`. `colour` is what differs between blocking and asyncio, and `waiting` most of
that.
"""

from raxol_sql.engine.aio import AsyncDatabase, AsyncTransaction
from raxol_sql.engine.blocking import Database, Transaction
from raxol_sql.engine.multi import Multi, StepFailure

__all__ = [
    "AsyncDatabase",
    "AsyncTransaction",
    "Database",
    "Multi",
    "StepFailure",
    "Transaction",
]
