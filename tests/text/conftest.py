"""What tests of text share: how a file is read, and the server that they ask what texts mean."""

from __future__ import annotations

import pytest

from raxol_sql import embedded
from raxol_sql.text import Definition, Source, parse

WHITE = " \t\n\r\f\v"


def load(text: str, *namespace: str) -> list[Definition]:
    definitions, errors = parse(Source("sql/a.sql", text), namespace)
    assert not errors, str(errors[0])
    return definitions


def names(text: str) -> list[str]:
    definitions, _ = parse(Source("sql/a.sql", text), ())
    return [definition.name for definition in definitions]


@pytest.fixture(scope="session")
def server_conninfo(server: embedded.Server) -> str:
    """The connection string of a database to ask; nothing is kept in it."""
    return server.conninfo("postgres")
