"""The server that tests of text ask what the texts mean."""

from __future__ import annotations

import pytest

from raxol_sql import embedded


@pytest.fixture(scope="session")
def server_conninfo(server: embedded.Server) -> str:
    """The connection string of a database to ask; nothing is kept in it."""
    return server.conninfo("postgres")
