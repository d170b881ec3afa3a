"""
Running queries: the only package that uses connections and the protocol.

    Database ──────┐
                   ├─▶ Executor ─▶ SessionSource ─▶ Session ─▶ Pipeline ─▶ libpq
    AsyncDatabase ─┘   (one control flow, async def)              └─▶ SocketWaiter

The packages, from the lowest to the highest:

- `core`: the I/O backends (`concurrency`), waits on sockets, locks, deadlines and forks.
- `types`: conversion between Python and PostgreSQL values.
- `wire`: a libpq connection, its recovery after an interruption (`connection`), the requests and
  results on it (`pipeline`), and statement timeouts.
- `session`: a connection with its prepared statements, search path, outcome marker and liveness.
- `transaction`: BEGIN to COMMIT (`transaction`), retries (`retrier`), and the outcome of a COMMIT
  without a reply (`outcome_resolution`).
- `pool`: the pool hands out sessions from a `session_queue`. The `keeper`, a background worker that
  callers reach by mailboxes, is the only user of psycopg_pool, and opens connections with a
  `connector`. The `session_registry` knows every session outside psycopg_pool.
- `batch`: several queries in shared round trips; `copy`: COPY in both directions.

`executor` runs a bound query; `sync` and `aio` are the interfaces of the two I/O backends.
"""

from raxol_sql.engine.database import Database
from raxol_sql.engine.query_monitor import QueryMonitor
from raxol_sql.engine.sync import Transaction

__all__ = ["Database", "QueryMonitor", "Transaction"]
