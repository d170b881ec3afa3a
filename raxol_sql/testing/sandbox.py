"""A transaction in which a test does what it likes, and which leaves nothing behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from raxol_sql.engine import Database, Transaction
from raxol_sql.engine.aio import AsyncDatabase, AsyncTransaction
from raxol_sql.queries import BoundQuery, load


class _Over(Exception):  # noqa: N818 (no error: the test has ended well)
    """Everything is rolled back."""


@contextmanager
def sandbox(db: Database) -> Iterator[Transaction]:
    """
    A transaction for one test, rolled back at its end: ``with sandbox(db) as tx: ...``.

    What is tested is given ``tx`` in place of the database; its own transactions are savepoints
    in this one. Tests on different connections run side by side, and wait for one another where
    they write the same unique value. Before the end deferred constraints are checked, which
    otherwise only a COMMIT does: their violation is the driver's error. Sequences keep what they
    have counted.
    """
    try:
        with db.transaction() as transaction:
            yield transaction
            transaction.run(_check())
            raise _Over
    except _Over:
        pass


@asynccontextmanager
async def async_sandbox(db: AsyncDatabase) -> AsyncIterator[AsyncTransaction]:
    """`sandbox` for asyncio: ``async with async_sandbox(db) as tx: ...``."""
    try:
        async with db.transaction() as transaction:
            yield transaction
            await transaction.run(_check())
            raise _Over
    except _Over:
        pass


def _check() -> BoundQuery[Any]:
    queries = load(Path(__file__).with_name("sandbox.sql"))
    bound: BoundQuery[Any] = queries.sandbox.check_deferred()
    return bound
