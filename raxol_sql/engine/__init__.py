"""
Running queries: the only package that uses connections and the protocol.

    Database ──────┐                                                    ┌─ psycopg.Connection
                   ├─▶ Executor ─▶ SessionSource ─▶ Session ─▶ Pipeline ┤
    AsyncDatabase ─┘   (one control flow, async def)     SocketWaiter ◀─┘─ psycopg.AsyncConnection

From above: `blocking` and `aio` are the two facades. `executor` runs a query; `many`, `stepping`
(of a `multi`) and `batch` run several that share round trips; `streaming` and `copying` move
rows; `transacting` runs a function of a `transaction`. `sessions` are taken from a `pool`, or are
the one of a transaction; a `session` is what one connection can do, with the `statements` that it
has prepared, whose `parameters` and `columns` go over the `wire`. `colour` is what differs between
blocking and asyncio, and `waiting` most of that.

When something breaks: a `line` that is interrupted is brought to its end, at the latest by a
`deadline`; `limits` have the server stop before that. `repeating` judges a failure and waits for
the next attempt, `resolving` finds out what became of a transaction, by the `marker` that it had.
The pool hands out sessions from a `session_queue` and looks at their `liveness`; a `pool_keeper` in
the background, which callers reach by `mailbox`es, is the only user of psycopg_pool, and connects
through `dialling`. `checkouts` knows every session that is outside of it, and who is `holding` it;
everything is let go after `forking`.
"""

from raxol_sql.engine.aio import AsyncDatabase, AsyncTransaction
from raxol_sql.engine.batch.multi import Multi, Operation, StepFailure
from raxol_sql.engine.core.docstrings import copy_doc
from raxol_sql.engine.database import Database
from raxol_sql.engine.query_monitor import LoneWritesWarning, QueryMonitor, RepeatedQueryWarning
from raxol_sql.engine.sync import Transaction

__all__ = [
    "AsyncDatabase",
    "AsyncTransaction",
    "Database",
    "LoneWritesWarning",
    "Multi",
    "Operation",
    "QueryMonitor",
    "RepeatedQueryWarning",
    "StepFailure",
    "Transaction",
    "copy_doc",
]
