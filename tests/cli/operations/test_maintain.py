"""`raxol-sql vacuum`, `analyze` and `reindex`."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

Run = Callable[..., Any]
Do = Callable[[str], list[Any]]

pytestmark = pytest.mark.usefixtures("project", "empty")

PATIENCE = 60.0
WEIRD = 'we"ird Table'
TABLES = """
    create table notes (id int primary key) with (autovacuum_enabled = off);
    create table "we""ird Table" (id int);
    insert into notes select generate_series(1, 1000);
    delete from notes where id > 500;
"""
# An index on which each entry takes 20 ms.
SLOW = """
    create function slow(a int) returns int immutable language plpgsql as
    'begin perform pg_catalog.pg_sleep(0.02); return a; end';
    create table slow (a int) with (autovacuum_enabled = off);
    create index slow_index on slow (slow(a));
    insert into slow select generate_series(1, {});
"""
# An analyze of so many rows takes as long for each, though they are there at once.
SLOWLY_ANALYZED = f"""
    {SLOW.format(0)}
    drop index slow_index;
    create statistics slow_statistics on (slow(a)) from slow;
    insert into slow select generate_series(1, {{}});
"""
COMMAND = [sys.executable, "-m", "raxol_sql"]


@pytest.fixture
def do(empty: str) -> Iterator[Do]:
    """Runs a statement as the superuser, in autocommit; gives its rows."""
    with psycopg.connect(empty, autocommit=True) as connection:

        def do(statement: str) -> list[Any]:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

        yield do


@contextmanager
def holding(conninfo: str, statement: str) -> Iterator[int]:
    """The pid of a session with an open transaction in which a statement was run."""
    with psycopg.connect(conninfo, application_name="holder") as connection:
        connection.execute(statement)  # type: ignore[arg-type]
        yield connection.info.backend_pid


def until(found: Callable[[], Any]) -> Any:
    """What ``found`` gives as soon as it is something."""
    end = time.monotonic() + PATIENCE
    while not (value := found()):
        assert time.monotonic() < end, "it has not come in time"
        time.sleep(0.02)
    return value


def by_name(ran: Any) -> dict[str, Any]:
    return {one["name"]: one for one in json.loads(ran.out)}


def test_every_table_is_vacuumed_with_its_figures_before_and_after(raxol_sql: Run, do: Do) -> None:
    do(TABLES)
    ran = raxol_sql("vacuum", "--format", "json")
    assert ran.code == 0
    found = by_name(ran)
    assert {name: one["result"] for name, one in found.items()} == {
        "notes": "OK",
        '"we""ird Table"': "OK",
    }
    assert (found["notes"]["dead_after"], found["notes"]["live_after"]) == (0, 500)
    assert found["notes"]["bytes_after"] > 0
    assert do("select count(*) from pg_stat_user_tables where last_vacuum is null") == [(0,)]


def test_people_see_the_change_in_one_line_a_table(raxol_sql: Run, do: Do) -> None:
    do(TABLES)
    ran = raxol_sql("vacuum", "--table", "notes", "--analyze", "--parallel", "1")
    assert ran.code == 0
    assert re.search(r"^notes +OK +\S.*\b500\b.* kB ", ran.out, re.MULTILINE)
    assert ran.out.endswith("1 OK\n")
    assert do("select last_analyze is null from pg_stat_user_tables where relname = 'notes'") == [
        (False,)
    ]


def test_a_name_that_needs_quotes_may_be_given_with_and_without(raxol_sql: Run, do: Do) -> None:
    do(TABLES)
    for command in ("vacuum", "analyze"):
        for name in (WEIRD, '"we""ird Table"', 'public."we""ird Table"'):
            ran = raxol_sql(command, "--table", name, "--format", "json")
            assert (ran.code, [*by_name(ran)]) == (0, ['"we""ird Table"'])


WRONG = [
    (["vacuum", "--table", "notes", "--table", "ntoes"], "did you mean 'notes'?"),
    (["analyze", "--table", "notes", "--table", "ntoes"], "did you mean 'notes'?"),
    (["reindex", "--table", "ntoes"], "did you mean 'notes'?"),
    (["reindex", "--index", "notes_pky"], "did you mean 'notes_pkey'?"),
    (["vacuum", "--full"], "ACCESS EXCLUSIVE lock"),
    (["vacuum", "--full", "--yes", "--parallel", "2"], "leave out --parallel"),
    (["reindex", "--no-concurrently"], "--yes"),
    (["vacuum", "--lock-timeout", "-1"], "--lock-timeout"),
]


def test_wrong_use_exits_with_2_before_anything_is_done(raxol_sql: Run, do: Do) -> None:
    do(TABLES)
    nodes = do("select relname, relfilenode from pg_class order by 1")
    for words, says in WRONG:
        ran = raxol_sql(*words)
        assert (ran.code, says in ran.err) == (2, True), words
    assert do("select relname, relfilenode from pg_class order by 1") == nodes
    assert do("select count(*) from pg_stat_user_tables where last_vacuum is not null "
              "or last_analyze is not null") == [(0,)]  # fmt: skip


def test_a_full_vacuum_makes_the_file_smaller(raxol_sql: Run, do: Do) -> None:
    do(TABLES)
    ran = raxol_sql("vacuum", "--table", "notes", "--full", "--yes", "--format", "json")
    (one,) = json.loads(ran.out)
    assert (ran.code, one["result"], one["dead_after"]) == (0, "OK", None)
    assert one["bytes_after"] < one["bytes_before"]
    assert "ACCESS EXCLUSIVE" in ran.err


def test_a_table_of_somebody_else_is_no_success(
    raxol_sql: Run, do: Do, empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    do(TABLES)
    role = f"stranger_{conninfo_to_dict(empty)['dbname']}"
    do(f"create role {role} login")
    try:
        monkeypatch.setenv("DATABASE_URL", make_conninfo(empty, user=role))
        for command in ("vacuum", "analyze"):
            ran = raxol_sql(command, "--table", "notes")
            assert (ran.code, '"notes"' in ran.out) == (4, True)
            assert re.search("^notes +FAILED", ran.out, re.MULTILINE)
    finally:
        do(f"drop role {role}")


def test_a_table_that_is_locked_fails_with_the_holder_and_the_others_are_done(
    raxol_sql: Run, do: Do, empty: str
) -> None:
    do(TABLES)
    with holding(empty, "lock table notes") as pid:
        ran = raxol_sql("vacuum", "--lock-timeout", "1000", "--format", "json")
        shown = raxol_sql("analyze", "--lock-timeout", "1000")
    found = by_name(ran)
    assert (ran.code, shown.code) == (4, 4)
    assert (found["notes"]["result"], found["notes"]["blockers"]) == ("FAILED", [pid])
    assert found['"we""ird Table"']["result"] == "OK"
    assert f"blocked by pid {pid} (holder, user postgres" in shown.out
    assert shown.out.endswith("1 OK, 1 FAILED\n")


def test_an_analyze_tells_how_many_rows_there_are(raxol_sql: Run, do: Do) -> None:
    do(TABLES)
    ran = raxol_sql("analyze", "--table", "notes", "--format", "json")
    (one,) = json.loads(ran.out)
    assert (ran.code, one["rows_after"], one["analyzed_at_before"]) == (0, 500, None)
    assert one["analyzed_at_after"] is not None
    assert do("select reltuples::int from pg_class where relname = 'notes'") == [(500,)]


def test_a_table_that_takes_too_long_fails_and_0_is_no_limit(raxol_sql: Run, do: Do) -> None:
    do(SLOWLY_ANALYZED.format(60))
    assert raxol_sql("analyze", "--table", "slow", "--timeout", "1").code == 4
    assert raxol_sql("analyze", "--table", "slow", "--timeout", "0").code == 0


def test_a_reindex_tells_what_it_left_when_it_failed_and_the_next_one_finds_it(
    raxol_sql: Run, do: Do, empty: str
) -> None:
    do(TABLES)
    remedy = "drop index concurrently public.notes_pkey_ccnew;"
    words = ["reindex", "--table", "notes"]
    with holding(empty, "insert into notes values (4711)") as pid:
        ran = raxol_sql(*words, "--lock-timeout", "1000")
        assert (ran.code, remedy in ran.out, f"pid {pid}" in ran.out) == (4, True, True)
    ran = raxol_sql(*words, "--format", "json")
    found = by_name(ran)
    assert ran.code == 1
    assert {name: one["result"] for name, one in found.items()} == {
        "notes_pkey": "OK",
        "notes_pkey_ccnew": "SKIPPED",
    }
    do(remedy)
    assert raxol_sql(*words).code == 0
    assert raxol_sql("reindex", "--index", "notes_pkey", "--no-concurrently", "--yes").code == 0


def test_a_database_without_tables_has_nothing_to_do(raxol_sql: Run) -> None:
    for command in ("vacuum", "analyze", "reindex"):
        assert raxol_sql(command).out.endswith("there is nothing to do\n")
        assert json.loads(raxol_sql(command, "--format", "json").out) == []


def test_a_server_that_is_not_there_ends_with_3(
    raxol_sql: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost:1/x")
    assert [raxol_sql(one).code for one in ("vacuum", "analyze", "reindex")] == [3, 3, 3]


def running(do: Do) -> list[Any]:
    return do(
        "select pid from pg_stat_activity where application_name = 'raxol_sql maintenance' "
        "and datname = current_database() and state = 'active'"
    )


def test_nothing_of_the_bars_is_in_a_pipe(do: Do) -> None:
    do(SLOW.format(10))
    done = subprocess.run(
        [*COMMAND, "reindex", "--format", "json"], capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    assert [one["name"] for one in json.loads(done.stdout)] == ["slow_index"]
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("using ")


def test_on_a_terminal_the_phase_is_shown_beside_the_results(do: Do) -> None:
    do(SLOW.format(30))
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "reindex", "--format", "json"], stdout=subprocess.PIPE, stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    ) as process:  # fmt: skip
        os.close(theirs)
        shown = read_all(ours)
        assert process.stdout is not None
        assert len(json.loads(process.stdout.read())) == 1
    assert process.returncode == 0
    assert "slow_index: building index" in shown


def read_all(terminal: int) -> str:
    read = b""
    try:
        while more := os.read(terminal, 65536):
            read += more
    except OSError:
        # What Linux says where nobody has the other end any more.
        pass
    finally:
        os.close(terminal)
    return read.decode()


@pytest.mark.parametrize(("typed", "code"), [("{}", 0), ("other", 130)])
def test_a_full_vacuum_asks_on_a_terminal_for_the_name_of_the_database(
    do: Do, typed: str, code: int
) -> None:
    do(TABLES)
    ((name,),) = do("select current_database()")
    nodes = do("select relfilenode from pg_class where relname = 'notes'")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "vacuum", "--full"], stdin=theirs, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        os.write(ours, f"{typed.format(name)}\n".encode())
        out, err = process.communicate(timeout=60)
    os.close(ours)
    assert (process.returncode, "ACCESS EXCLUSIVE" in err + out) == (code, True)
    assert (do("select relfilenode from pg_class where relname = 'notes'") == nodes) == bool(code)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_what_is_interrupted_or_killed_runs_no_more_on_the_server(
    do: Do, sent: signal.Signals
) -> None:
    do(TABLES + SLOWLY_ANALYZED.format(2000))
    with subprocess.Popen(
        [*COMMAND, "analyze", "--table", "notes", "--table", "slow"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        until(lambda: do("select 1 from pg_stat_progress_analyze where relid = 'slow'::regclass"))
        process.send_signal(sent)
        out, err = process.communicate(timeout=PATIENCE)
    if sent is signal.SIGINT:
        assert process.returncode == 130
        assert "interrupted" in err
        assert re.search("^notes +OK", out, re.MULTILINE)
        assert running(do) == []
    else:
        until(lambda: not running(do))
