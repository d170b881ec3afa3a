"""
Running queries: the only package that knows connections, and how a statement is sent.

    Database ─┐                                                  ┌─ psycopg.Connection
              ├─▶ Executor ─▶ Sessions ─▶ Session ─▶ colour.wait ─┤
    AsyncDatabase ┘    (one flow of control, async def)          └─ psycopg.AsyncConnection

`colour` is what differs between blocking and asyncio; `session` what one connection can do;
`sessions` where a session comes from; `executor` the one flow of control; `blocking` and
`asyncio` the two facades.
"""

from raxol_sql.engine.aio import AsyncDatabase, AsyncTransaction
from raxol_sql.engine.blocking import Database, Transaction

__all__ = ["AsyncDatabase", "AsyncTransaction", "Database", "Transaction"]
