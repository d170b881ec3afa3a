"""Independent groups of requests that travel together, and fail each on its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from time import monotonic

from psycopg.pq.abc import PGresult

from raxol_sql.engine.wire.pipeline import DONE, Pipeline, Request

# How many groups are under way at most: more of them would only fill buffers.
CHUNK = 256
# Seconds that the server may take for one group.
SECONDS = 30.0


async def exchange_each(
    pipeline: Pipeline,
    groups: Iterable[Sequence[Request]],
    read: Callable[[list[PGresult]], None],
    seconds: float = SECONDS,
) -> None:
    """
    Call ``read`` with the results of each group, in order; errors are among them.

    A Sync ends each group, so an error stops the rest of that group only. Outside a transaction
    block each group is a transaction. Some hundred groups make one round trip. If ``read`` raises,
    the groups that are under way are cancelled. Raises the driver's error for a lost connection,
    and `DeadlineExceededError` if the server takes more than ``seconds`` for a group.
    """
    until = pipeline.until
    left = iter(groups)
    try:
        while chunk := list(itertools.islice(left, CHUNK)):
            for group in chunk:
                pipeline.until = monotonic() + seconds
                await pipeline.post(group)
            for _ in chunk:
                pipeline.until = monotonic() + seconds
                results = await pipeline.collect()
                try:
                    read(results)
                except BaseException as error:
                    await pipeline.interrupt(error)
                    raise
    finally:
        pipeline.until = until


def conclude(results: Sequence[PGresult]) -> PGresult:
    """Return the error that ended a group, or the last result of a group without one."""
    return next((one for one in results if one.status not in DONE), results[-1])
