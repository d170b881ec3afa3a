"""`raxol-sql top` without a terminal: tables, JSON and pictures."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from raxol_sql import embedded

RaxolSQL = Callable[..., Any]


@pytest.mark.usefixtures("project", "busy")
def test_once_prints_plain_tables_and_ends(raxol_sql: RaxolSQL) -> None:
    ran = raxol_sql("top", "--once", "--interval", "0.2")
    assert (ran.code, ran.err) == (0, "")
    assert "\x1b" not in ran.out
    assert not [line for line in ran.out.splitlines() if line != line.rstrip() or len(line) > 120]
    for words in (
        r"^using .*, database raxol_test_\d+$",
        r"^raxol_test_\d+  PostgreSQL [\d.]+, primary, up .* every 0\.2 s$",
        r"^connections [━─]+ \d+ of \d+   size [\d.]+ MB   cache hit ",
        r"^sessions .* 1 idle in transaction ",
        r"^per second  [\d.]+ commits   0 rollbacks   0 B temp files .*deadlocks \d+",
        r"^locks: no lock waits ─+$",
        r"^queries, sampled, pg_stat_statements is not installed: none ran ─+$",
        r"^ +\d+ .* idle in trans\. .* forgotten +\w+ +select name from users where name = \?$",
        r"^ +1 +0 +0 +1 +0 forgotten$",
    ):
        assert re.search(words, ran.out, re.MULTILINE), words
    assert "hunter2" not in ran.out


@pytest.mark.usefixtures("project", "busy")
def test_without_a_terminal_it_prints_one_interval_or_as_many_as_asked_for(
    raxol_sql: RaxolSQL,
) -> None:
    assert raxol_sql("top", "--interval", "0.1").out.count("PostgreSQL") == 1
    assert raxol_sql("top", "--interval", "0.1", "--count", "3").out.count("PostgreSQL") == 3


@pytest.mark.usefixtures("project", "busy")
def test_json_is_a_document_a_line(raxol_sql: RaxolSQL) -> None:
    ran = raxol_sql("top", "--format", "json", "--interval", "0.1", "--count", "2")
    assert ran.code == 0
    documents = [json.loads(line) for line in ran.out.splitlines()]
    assert len(documents) == 2
    for one in documents:
        assert one["error"] is None
        assert one["server"]["database"].startswith("raxol_test_")
        assert one["server"]["connections_used"] < one["server"]["connections_usable"]
        assert 0.05 < one["rates"]["seconds"] < 10
        assert one["rates"]["commits_per_second"] >= 0
        assert one["sessions_by_state"]["idle in transaction"] == 1
        assert one["queries_from"] == "pg_stat_activity"
        (session,) = one["sessions"]
        assert session["statement"] == "select name from users where name = ?"
        assert (session["query"], session["state"]) == (None, "idle in transaction")
        (pool,) = [pool for pool in one["pools"] if pool["application"] == "forgotten"]
        assert (pool["total"], pool["in_transaction"]) == (1, 1)
    assert "hunter2" not in ran.out
    assert len(raxol_sql("top", "--format", "json", "--interval", "0.1", "--once").out) > 100


def test_queries_are_called_by_the_project_s_names_and_by_tags(
    raxol_sql: RaxolSQL, project: Path, migrated: str
) -> None:
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute("create extension pg_stat_statements")
    words = [sys.executable, "-m", "raxol_sql", "top", "--format", "json", "--interval", "0.3"]
    with subprocess.Popen(words, cwd=project, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            found = json.loads(running.stdout.readline())
            assert found["queries_from"] == "pg_stat_statements"
            assert found["queries"] == []
            for _ in range(5):
                assert raxol_sql("run", "users.get", "id=1").code == 0
            with psycopg.connect(migrated, autocommit=True) as connection:
                connection.execute("select 41 + 1 /*query='reports.sum'*/")
            seen: dict[str, float] = {}
            while {"users.get", "reports.sum"} - seen.keys():
                found = json.loads(running.stdout.readline())
                for one in found["queries"]:
                    calls = one["calls_per_second"] * found["rates"]["seconds"]
                    seen[one["query"]] = seen.get(one["query"], 0) + calls
        finally:
            running.terminate()
    assert seen["users.get"] == pytest.approx(5, abs=0.01)
    assert seen["reports.sum"] == pytest.approx(1, abs=0.01)


def test_without_queries_of_a_project_statements_are_shown_by_their_texts(
    raxol_sql: RaxolSQL, project: Path, busy: str
) -> None:
    (project / "raxol_sql.toml").write_text('[project]\nqueries = "nowhere"')
    ran = raxol_sql("top", "--once", "--interval", "0.1")
    assert ran.code == 0
    assert "none ran, without names" in ran.out
    assert "queries have no names: " in ran.err
    assert "nowhere" in ran.err


@pytest.mark.usefixtures("project", "busy")
def test_a_picture_is_written_of_what_is_seen(raxol_sql: RaxolSQL, tmp_path: Path) -> None:
    ran = raxol_sql("top", "--svg", "seen.svg", "--interval", "0.1")
    assert ran.code == 0
    text = (tmp_path / "seen.svg").read_text(encoding="utf-8")
    words = "".join(ElementTree.fromstring(text).itertext()).replace("\xa0", " ")
    assert "raxol-sql top" in words
    assert "forgotten" in words
    assert "hunter2" not in words


@pytest.mark.usefixtures("project")
def test_a_server_that_never_was_there_is_exit_code_3(
    raxol_sql: RaxolSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost:1/x")
    ran = raxol_sql("top")
    assert (ran.code, "Could not connect" in ran.err) == (3, True)


@pytest.mark.usefixtures("project", "migrated")
@pytest.mark.parametrize("words", [["--interval", "0.05"], ["--count", "0"]])
def test_options_that_make_no_sense_are_refused(raxol_sql: RaxolSQL, words: list[str]) -> None:
    assert raxol_sql("top", *words).code == 2


def test_a_script_is_told_where_the_server_went_away_meanwhile(own_project: Path) -> None:
    server = embedded.start(own_project)
    running = subprocess.Popen(
        [sys.executable, "-m", "raxol_sql", "top", "--once", "--interval", "2"],
        cwd=own_project,
        env={**os.environ, "DATABASE_URL": server.conninfo("postgres")},
        stdout=subprocess.PIPE,
        text=True,
    )
    count = (
        "select count(*) from pg_stat_activity "
        "where state = 'idle' and query like '%pg_database_size%' and pid <> pg_backend_pid()"
    )
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        deadline = time.monotonic() + 20
        while connection.execute(count).fetchone() == (0,):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    embedded.stop(own_project)
    out, _ = running.communicate(timeout=30)

    assert running.returncode == 3
    assert "no answer since" in out
