"""A record to make changesets of, and a database for verdicts to be compared with the server's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import psycopg
import pytest
from attrs import validators

import raxol_sql as rx
from raxol_sql import embedded
from raxol_sql.changesets import Changeset


@attrs.frozen
class Item:
    """A record with most of what can be asked of one."""

    name: str = attrs.field(validator=validators.matches_re(r"[a-z]+"))
    size: int = attrs.field(default=1, validator=[validators.ge(1), validators.lt(10)])
    kind: str | None = attrs.field(
        default=None, validator=validators.optional(validators.in_(["a", "b"]))
    )
    tags: list[str] = attrs.field(factory=list, validator=validators.min_len(1))
    terms: bool = False
    odd: int | None = attrs.field(default=None)

    @odd.validator
    def _is_odd(self, attribute: Any, value: int | None) -> None:
        if value is not None and value % 2 == 0:
            raise ValueError(f"{value} is even")


FIELDS = ["name", "size", "kind", "tags", "terms", "odd"]


def cast(**params: Any) -> Changeset[Item]:
    return Changeset(Item).cast(params, permit=FIELDS)


def said(changeset: Changeset[Any]) -> dict[str, list[str]]:
    return changeset.traverse_errors()


@pytest.fixture(scope="session")
def verdict_database(server: embedded.Server, _accounts_template: str) -> str:
    """The one database in which these tests ask the server."""
    name = "raxol_verdicts"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template {_accounts_template}")
    return server.conninfo(name)


@pytest.fixture(scope="session")
def side(verdict_database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection on which nothing is ever committed, with one user, 1."""
    with psycopg.connect(verdict_database) as connection:
        connection.execute("insert into users (email, name) values ('parent@b.de', 'P')")
        yield connection
        connection.rollback()


@pytest.fixture(scope="session")
def verdict_db(verdict_database: str) -> Iterator[rx.Database]:
    """That database, open, with one user, 1."""
    with rx.Database.open(verdict_database) as database:
        yield database
