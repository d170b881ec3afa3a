"""A repo over the repository's own queries, in either colour, and one over queries of a test."""

from __future__ import annotations

import asyncio
import inspect
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql import embedded
from raxol_sql.demo.accounts import User


@pytest.fixture(scope="session")
def repo_database(server: embedded.Server, _accounts_template: str) -> str:
    """The one database with the repository's tables in which these tests run."""
    name = "raxol_repo"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template {_accounts_template}")
    return server.conninfo(name)


@pytest.fixture
def side(repo_database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the test's own, to that database, which is empty now."""
    with psycopg.connect(repo_database, autocommit=True) as connection:
        connection.execute("truncate users restart identity cascade")
        yield connection


@pytest.fixture
def db(side: psycopg.Connection[Any], repo_database: str) -> Iterator[rx.Database]:
    """That database, open, and empty."""
    with rx.Database.open(repo_database) as database:
        yield database


class Ran:
    """An asynchronous object whose coroutines are run to their end, so that one test tests both."""

    def __init__(self, runner: asyncio.Runner, target: Any) -> None:
        self._runner = runner
        self._target = target

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._target, name)

        def call(*arguments: Any, **named: Any) -> Any:
            made = attribute(*arguments, **named)
            if isinstance(made, AsyncIterator):
                return self._runner.run(_listed(made))
            return self._runner.run(made) if inspect.iscoroutine(made) else made

        return call


async def _opened(conninfo: str) -> rx.AsyncDatabase:
    return await rx.AsyncDatabase.open(conninfo)


async def _listed(rows: AsyncIterator[Any]) -> list[Any]:
    return [row async for row in rows]


@pytest.fixture
def make_repo(side: psycopg.Connection[Any], repo_database: str) -> Callable[..., Any]:
    """Gives an open repo in a colour, as a context manager: ``make_repo("asyncio", queries)``."""

    @contextmanager
    def make(colour: str, queries: rx.Queries, **options: Any) -> Iterator[Any]:
        if colour == "blocking":
            with rx.Database.open(repo_database) as database:
                yield rx.Repo(database, queries, **options)
            return
        with asyncio.Runner() as runner:
            database = runner.run(_opened(repo_database))
            try:
                yield Ran(runner, rx.AsyncRepo(database, queries, **options))
            finally:
                runner.run(database.close())

    return make


@pytest.fixture(params=["blocking", "asyncio"])
def colour(request: pytest.FixtureRequest) -> str:
    """Either colour."""
    name: str = request.param
    return name


@pytest.fixture
def repo(colour: str, make_repo: Callable[..., Any], queries: rx.Queries) -> Iterator[Any]:
    """A repo over the repository's queries, in either colour; the blocking calls of both."""
    with make_repo(colour, queries) as made:
        yield made


@pytest.fixture
def own(tmp_path: Path) -> Callable[..., rx.Queries]:
    """Queries of a test's own: ``own(users="-- name: ...")``, with the records given."""

    def load(*records: type, **files: str) -> rx.Queries:
        for name, text in files.items():
            (tmp_path / f"{name}.sql").write_text(textwrap.dedent(text))
        return rx.load(tmp_path, records=records or (User,))

    return load


@pytest.fixture
def ann() -> dict[str, Any]:
    """What a user is made of."""
    return {"email": "ann@example.org", "name": "Ann", "age": 34}
