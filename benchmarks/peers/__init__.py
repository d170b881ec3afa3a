"""Every library that takes part, each in a module that shows how its code is written."""

from __future__ import annotations

from benchmarks.contender import Peer
from benchmarks.peers.aiosql import Aiosql
from benchmarks.peers.asyncpg import Asyncpg
from benchmarks.peers.growth import Columns, Registries
from benchmarks.peers.libpq import Libpq
from benchmarks.peers.psycopg import Psycopg, PsycopgAsyncio
from benchmarks.peers.psycopg2 import Psycopg2
from benchmarks.peers.raxol import Raxol, RaxolAsyncio
from benchmarks.peers.sqlalchemy import SQLAlchemy
from benchmarks.peers.sqlspec import SQLSpec

PEERS: tuple[type[Peer], ...] = (
    Libpq,
    Psycopg,
    PsycopgAsyncio,
    Psycopg2,
    Aiosql,
    SQLAlchemy,
    SQLSpec,
    Asyncpg,
    Raxol,
    RaxolAsyncio,
    Registries,
    Columns,
)
"""In the order in which they stand in the tables."""
