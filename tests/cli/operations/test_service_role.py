"""Every command as the documented role of a service, which the server shows no other's activity."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

ROLES = Path(__file__).parents[3] / "docs/examples/roles/0006-least-privilege-roles.sql"
SERVICE, OWNER = "rx_lesser_service", "rx_lesser_owner"
# What each prints of sessions that are hidden, and with which exit codes it may end.
LOOKS: dict[str, tuple[set[int], str]] = {
    "pool-status": ({0}, "lacks pg_read_all_stats"),
    "deadlocks": ({0, 1}, "lacks pg_read_all_stats"),
    "top --once --interval 0.1": ({0}, "lacks pg_read_all_stats"),
    "diagnose --only load": ({0, 1}, "lacks pg_read_all_stats"),
    "diagnose": ({0, 1}, "lacks pg_read_all_stats"),
    "metrics": ({0}, ""),
    "ping": ({0}, ""),
    "vacuum --table users": ({1, 4}, "permission denied"),
    "analyze --table users": ({1, 4}, "permission denied"),
    "reindex --table users": ({1, 4}, "permission denied"),
}
SEEING = tuple(words for words, (_, said) in LOOKS.items() if "lacks" in said)


@pytest.fixture
def logins(accounts_database: str) -> Iterator[Callable[[str], str]]:
    """Gives connection strings of the roles that docs/roles.md sets up, for this database."""
    with psycopg.connect(accounts_database, autocommit=True) as side:
        side.execute("set lock_timeout = '10s'")
        side.execute(ROLES.read_bytes())
        side.execute(f"create role {SERVICE} login in role app_readwrite")
        side.execute(f"create role {OWNER} login in role app_owner")
        try:
            yield lambda role: make_conninfo(accounts_database, user=role)
        finally:
            side.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = any(%s)",
                [[SERVICE, OWNER]],
            )
            side.execute(f"drop role {SERVICE}, {OWNER}")
            side.execute(ROLES.with_suffix(".rollback.sql").read_bytes())


@pytest.fixture
def others(accounts_database: str, logins: Any, until: Any) -> Iterator[list[int]]:
    """Sessions of another role: idle, at work, waiting, and in a transaction with a lock."""

    def run(connection: psycopg.Connection[Any], statement: bytes) -> None:
        def work() -> None:
            try:
                connection.execute(statement)
            except psycopg.errors.QueryCanceled:
                connection.rollback()

        threads.append(threading.Thread(target=work))
        threads[-1].start()

    threads: list[threading.Thread] = []
    names = ("idler", "sleeper", "holder", "waiter")
    with ExitStack() as open_:
        idler, sleeper, holder, waiter = (
            open_.enter_context(psycopg.connect(accounts_database, application_name=name))
            for name in names
        )
        side = open_.enter_context(psycopg.connect(accounts_database, autocommit=True))
        idler.commit()
        holder.execute("lock table users in share update exclusive mode")
        run(sleeper, b"select pg_sleep(600)")
        run(waiter, b"lock table users in share update exclusive mode")
        until(lambda: side.execute("select from pg_locks where not granted").fetchall())
        try:
            yield [one.info.backend_pid for one in (idler, sleeper, holder, waiter)]
        finally:
            for one in (sleeper, waiter):
                one.cancel_safe()
            for thread in threads:
                thread.join()


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], Any]:
    """Waits for a condition, for ten seconds at most."""
    pause = threading.Event()

    def wait(condition: Callable[[], Any]) -> Any:
        for _ in range(1000):
            if value := condition():
                return value
            pause.wait(0.01)
        raise AssertionError("what was waited for did not happen")

    return wait


@pytest.mark.parametrize("words", LOOKS)
@pytest.mark.usefixtures("others", "project")
def test_a_command_shows_what_the_server_hides_as_hidden(
    raxol_sql: Any, logins: Any, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    codes, said = LOOKS[words]
    monkeypatch.setenv("DATABASE_URL", logins(SERVICE))

    ran = raxol_sql(*words.split())

    assert ran.code in codes, ran.err
    assert said in " ".join((ran.out + ran.err).split())
    for text in ("insufficient privilege>", "None", "OK    long-running", "OK    idle in"):
        assert text not in ran.out
    for line in ran.out.splitlines():
        if any(name in line.split() for name in ("idler", "sleeper", "holder")):
            assert "0.0 s" not in line
    if words in ("pool-status", "deadlocks"):
        assert any("holder" in line and " - " in line for line in ran.out.splitlines())


def of_pool_status(shown: Any) -> None:
    hidden = {one["application"]: one for one in shown["sessions"] if one["state"] is None}
    assert {"idler", "sleeper", "holder", "waiter"} <= hidden.keys()
    assert {one["oldest"] for one in hidden.values()} == {None}
    assert shown["hidden_sessions"] >= 4


def of_deadlocks(shown: Any) -> None:
    (wait,) = shown["waiting"]
    for one in (wait["session"], *wait["blocked_by"]):
        assert (one["state"], one["started"], one["transaction_seconds"]) == (None, None, None)
    assert wait["seconds"] is None or wait["seconds"] > 0


def of_top(shown: Any) -> None:
    pools = {one["application"]: one for one in shown["pools"]}
    for name in ("idler", "sleeper", "holder", "waiter"):
        assert (pools[name]["total"], pools[name]["hidden"]) == (1, 1)
        assert {pools[name][one] for one in ("active", "waiting", "idle")} == {None}
    (wait,) = shown["waits"]
    assert (wait["query"], wait["statement"]) == (None, None)


def of_diagnosis(shown: Any) -> None:
    load = {one["check"]: one for one in shown if one["group"] == "load"}
    assert load["long-running"]["status"] == load["idle in transaction"]["status"] == "SKIP"
    assert load["long-running"]["message"].startswith("looked at 0 of ")
    assert load["other sessions"]["remedy"] == f'grant pg_read_all_stats to "{SERVICE}";'


OF_JSON = dict(
    zip(SEEING, (of_pool_status, of_deadlocks, of_top, of_diagnosis, of_diagnosis), strict=True)
)


@pytest.mark.parametrize("words", SEEING)
@pytest.mark.usefixtures("others", "project")
def test_json_has_null_for_what_the_server_hides(
    raxol_sql: Any, logins: Any, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", logins(SERVICE))

    ran = raxol_sql(*words.split(), "--format", "json")

    assert ran.code in LOOKS[words][0], ran.err
    OF_JSON[words](json.loads(ran.out))


@pytest.mark.usefixtures("others", "project")
def test_the_remedy_for_hidden_sessions_shows_them(
    raxol_sql: Any, logins: Any, accounts_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", logins(SERVICE))
    found = json.loads(raxol_sql("diagnose", "--only", "load", "--format", "json").out)
    (remedy,) = [one["remedy"] for one in found if one["check"] == "other sessions"]
    with psycopg.connect(accounts_database, autocommit=True) as side:
        side.execute(remedy)

    again = json.loads(raxol_sql("diagnose", "--only", "load", "--format", "json").out)

    assert "other sessions" not in {one["check"] for one in again}
    for words in ("pool-status", "deadlocks", "top --once --interval 0.1"):
        assert "pg_read_all_stats" not in raxol_sql(*words.split()).out


@pytest.mark.parametrize("words", ["vacuum", "analyze", "reindex"])
@pytest.mark.usefixtures("project")
def test_the_owner_maintains_a_table_behind_a_hidden_session_and_is_told_which(
    raxol_sql: Any, logins: Any, others: list[int], monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", logins(OWNER))

    ran = raxol_sql(words, "--table", "users", "--lock-timeout", "2000")

    assert ran.code in (1, 4), ran.out
    assert str(others[2]) in ran.out
    assert conninfo_to_dict(logins(OWNER))["user"] == OWNER
