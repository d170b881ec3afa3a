"""On what a run was made: the figures mean little without it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterable
from pathlib import Path

import psycopg
from psycopg import pq

from benchmarks.contender import Peer

_DISTRIBUTIONS = (
    *("psycopg", "psycopg-binary", "psycopg-pool", "psycopg2-binary", "aiosql"),
    *("SQLAlchemy", "sqlspec", "asyncpg", "uvloop", "attrs"),
)
_CPU_INFO = Path("/proc/cpuinfo")


def describe(conninfo: str) -> dict[str, str]:
    """Names and versions of what takes part, in words."""
    with psycopg.connect(conninfo) as connection:
        server = connection.info.parameter_status("server_version") or "unknown"
        host = connection.info.host
        fsync = connection.execute("show fsync").fetchone()
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "processor": f"{_processor()}, {os.cpu_count()} of its cores",
        "server": f"PostgreSQL {server}, fsync {fsync[0] if fsync else 'unknown'}",
        "connection": "Unix socket" if host.startswith("/") else "TCP",
        "libpq": f"{pq.version_pretty(pq.version())}, psycopg's {pq.__impl__} implementation",
        **{name: version for name in _DISTRIBUTIONS if (version := _version(name))},
    }


def missing(peers: Iterable[type[Peer]]) -> list[str]:
    """The modules for want of which some of the peers take no part."""
    return sorted({name for peer in peers for name in peer.missing()})


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    if _CPU_INFO.exists():
        for line in _CPU_INFO.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"
