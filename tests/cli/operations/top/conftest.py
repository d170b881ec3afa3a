"""A session that `raxol-sql top` has to show."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest


@pytest.fixture
def busy(migrated: str) -> Iterator[str]:
    """The configured database, with a session that keeps a transaction open."""
    with psycopg.connect(migrated, application_name="forgotten") as connection:
        connection.execute("select name from users where name = 'hunter2'")
        yield migrated
