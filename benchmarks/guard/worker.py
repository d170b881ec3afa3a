"""A process with one engine, which times a burst of calls whenever it is told to."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TextIO

import attrs

import raxol_sql as rx
from benchmarks.guard.ways import CALLS, opened
from benchmarks.stage import Stage


async def serve(orders: TextIO, told: TextIO) -> None:
    """
    Reads a connection string, and then the name of a way for each burst; a line each.

    Writes a line of JSON first, of where its engine lies and what the calls give, and one for
    each burst: the microseconds of a call, on the clock and of CPU.
    """
    async with AsyncExitStack() as stack:
        ways = await opened(Stage(orders.readline().strip()), stack)
        gives = {}
        for name, way in ways.items():
            await way.begin()
            gives[name] = repr(await way.once())
            await way.end()
        _tell(told, {"engine": str(Path(rx.__file__).resolve().parent.parent), "gives": gives})
        for order in orders:
            way = ways[order.strip()]
            await way.begin()
            sample = await way.burst(CALLS)
            await way.end()
            _tell(told, attrs.asdict(sample))


def _tell(told: TextIO, found: object) -> None:
    told.write(f"{json.dumps(found)}\n")
    told.flush()


if __name__ == "__main__":
    asyncio.run(serve(sys.stdin, sys.stdout))
