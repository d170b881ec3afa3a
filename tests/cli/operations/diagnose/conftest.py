"""What `raxol-sql diagnose` finds, and sessions beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest

RaxolSQL = Callable[..., Any]
Told = dict[str, Any]
Diagnosed = Callable[..., tuple[int, list[Told]]]
Change = Callable[..., None]


@pytest.fixture
def change(migrated: str) -> Callable[[str], None]:
    """Changes the configured database, which has the repository's tables."""

    def change(*statements: str) -> None:
        with psycopg.connect(migrated, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    return change


@pytest.fixture
def diagnosed(raxol_sql: RaxolSQL) -> Callable[..., tuple[int, list[Told]]]:
    """Gives the exit code, and all findings that are not OK, after `raxol-sql diagnose`."""

    def diagnosed(*words: str) -> tuple[int, list[Told]]:
        ran = raxol_sql("diagnose", "--format", "json", *words)
        return ran.code, [one for one in json.loads(ran.out) if one["status"] != "OK"]

    return diagnosed


def names(found: list[Told]) -> list[tuple[str, str]]:
    return [(one["status"], one["check"]) for one in found if one["status"] != "SKIP"]


@contextmanager
def session(conninfo: str, application: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(conninfo, application_name=application) as connection:
        try:
            yield connection
        finally:
            with suppress(psycopg.Error):
                connection.rollback()
