"""A PostgreSQL server of our own for a project folder, for development and tests."""

from __future__ import annotations

from raxol_sql.embedded.binaries import Binaries, find_binaries
from raxol_sql.embedded.server import Server, start, status, stop

__all__ = ["Binaries", "Server", "find_binaries", "start", "status", "stop"]
