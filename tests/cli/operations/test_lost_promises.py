"""What `ping` says of a server that refuses a part of what a connection asks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

Run = Callable[..., Any]


@pytest.fixture
def lesser(accounts_database: str) -> Iterator[str]:
    """The database for a role that may not ask for the ids of transactions."""
    with psycopg.connect(accounts_database, autocommit=True) as side:
        side.execute('create role "Lesser One" login')
        side.execute("revoke execute on function pg_current_xact_id() from public")
        yield make_conninfo(accounts_database, user="Lesser One")
        side.execute("grant execute on function pg_current_xact_id() to public")
        side.execute('drop role "Lesser One"')


def test_a_lost_promise_is_a_warning_with_its_cause_and_the_grant_that_gives_it_back(
    raxol_sql: Run, project: Path, lesser: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", lesser)
    ran = raxol_sql("ping", "--format", "json")

    (answer,) = json.loads(ran.out)
    (lost,) = answer["lost_promises"]
    (line,) = [one for one in answer["findings"] if one["check"] == "promises"]
    assert lost["promise"] == 'commit_check="xid"'
    assert "42501" in lost["cause"]
    assert lost["instead"].startswith('commit_check="')
    grant = 'grant execute on function pg_current_xact_id() to "Lesser One"'
    assert lost["remedy"].endswith(grant)
    assert (line["status"], line["remedy"]) == ("WARN", lost["remedy"])
    assert "not promised here" in raxol_sql("ping").out


def test_on_an_ordinary_server_no_promise_is_lost(
    raxol_sql: Run, project: Path, accounts_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", accounts_database)
    (answer,) = json.loads(raxol_sql("ping", "--format", "json").out)

    assert answer["lost_promises"] == []
