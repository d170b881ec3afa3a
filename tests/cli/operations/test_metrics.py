"""`raxol-sql metrics`: what the server counts, for people, programs and Prometheus."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import attrs
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from psycopg.conninfo import make_conninfo

import raxol_sql as rx
from raxol_sql.cli.operations.metrics import _HELP, _exposition, _rows
from raxol_sql.ops.counters import Counters, read_counters

RaxolSQL = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("project")

# Seconds within which the server's statistics arrive: sessions report once a second.
_ARRIVING = 10.0


def counted(raxol_sql: RaxolSQL) -> dict[str, Any]:
    ran = raxol_sql("metrics", "--format", "json")
    assert ran.code == 0
    found: dict[str, Any] = json.loads(ran.out)
    return found


def scraped(text: str) -> dict[str, tuple[str, dict[str, str], float]]:
    """Of each family its type, labels and value, by the name of its one sample."""
    found = {}
    for family in text_string_to_metric_families(text):
        (sample,) = family.samples
        found[sample.name] = (family.type, sample.labels, sample.value)
    return found


def test_ten_commits_between_two_calls_are_seen(raxol_sql: RaxolSQL, migrated: str) -> None:
    before = counted(raxol_sql)
    with psycopg.connect(migrated) as connection:
        for number in range(10):
            connection.execute(
                "insert into users (email, name, age) values (%s, 'Ann', 1)", [f"{number}@x.org"]
            )
            connection.commit()
        # The call itself commits, too: what is told apart are the rows.
    end = time.monotonic() + _ARRIVING
    while (after := counted(raxol_sql))["rows_inserted"] - before["rows_inserted"] < 10:
        assert time.monotonic() < end, "the server's statistics did not arrive"

    assert after["commits"] - before["commits"] >= 10
    assert after["database"] == before["database"] == make_database_name(migrated)
    assert after["size_bytes"] > 0
    assert 1 <= after["connections"] <= after["all_connections"] <= after["max_connections"]
    assert 0 < after["cache_hit_ratio"] <= 1


def make_database_name(conninfo: str) -> str:
    with psycopg.connect(conninfo) as connection:
        return connection.info.dbname


@pytest.mark.usefixtures("migrated")
def test_prometheus_is_told_the_same_figures_with_their_types_and_nothing_else_on_stdout(
    raxol_sql: RaxolSQL,
) -> None:
    figures = counted(raxol_sql)
    ran = raxol_sql("metrics", "--format", "prometheus")

    assert ran.code == 0
    assert "using" in ran.err
    families = scraped(ran.out)
    kind, labels, commits = families["raxol_sql_server_commits_total"]
    assert (kind, labels) == ("counter", {"database": figures["database"]})
    assert commits >= figures["commits"]
    limit = ("gauge", labels, float(figures["max_connections"]))
    assert families["raxol_sql_server_max_connections"] == limit
    # Statistics of a new database were never reset.
    assert len(families) == len(_HELP) - 1


@pytest.mark.usefixtures("migrated")
def test_people_are_shown_each_figure_with_what_it_means(raxol_sql: RaxolSQL) -> None:
    ran = raxol_sql("metrics")

    assert ran.code == 0
    for name, meaning in _HELP.items():
        assert any(name in line and meaning in line for line in ran.out.splitlines()), name
    assert "cache_hit_ratio" in ran.out
    assert "never" in ran.out


def test_every_figure_that_is_read_is_shown_and_explained() -> None:
    others = {"database", "server_version", "read_at"}
    assert {field.name for field in attrs.fields(Counters)} - others == _HELP.keys()


def test_what_a_user_may_not_read_is_left_out_and_the_rest_is_shown(
    raxol_sql: RaxolSQL, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute("revoke select on pg_stat_wal from public")
        connection.execute("create role meter login")
    try:
        monkeypatch.setenv("DATABASE_URL", make_conninfo(migrated, user="meter"))
        found = counted(raxol_sql)
    finally:
        with psycopg.connect(migrated, autocommit=True) as connection:
            connection.execute("drop role meter")

    assert (found["wal_bytes"], found["wal_records"]) == (None, None)
    assert found["checkpoints_timed"] >= 0
    assert found["size_bytes"] > 0


def test_what_a_server_does_not_count_is_a_dash_for_people_and_no_sample(db: rx.Database) -> None:
    counters = attrs.evolve(read_counters(db), sessions=None, blocks_hit=0, blocks_read=0)

    rows = {name: value for name, value, _ in _rows(counters)}
    assert (rows["sessions"], rows["cache_hit_ratio"]) == ("-", "-")
    families = scraped("".join(_exposition(counters)))
    assert "raxol_sql_server_sessions_total" not in families
    assert "raxol_sql_server_sessions_killed_total" in families


def test_a_reset_is_told_with_its_time(db: rx.Database, accounts_database: str) -> None:
    with psycopg.connect(accounts_database, autocommit=True) as connection:
        connection.execute("select pg_stat_reset()")
    counters = read_counters(db)

    assert counters.stats_reset is not None
    families = scraped("".join(_exposition(counters)))
    assert families["raxol_sql_server_stats_reset_timestamp_seconds"][::2] == (
        "gauge",
        counters.stats_reset.timestamp(),
    )


def test_a_name_of_any_letters_is_a_label(db: rx.Database) -> None:
    counters = attrs.evolve(read_counters(db), database='a"b\\c\nd')

    families = scraped("".join(_exposition(counters)))

    assert {labels["database"] for _, labels, _ in families.values()} == {'a"b\\c\nd'}


def test_a_server_that_is_not_there_ends_it_with_3(
    raxol_sql: RaxolSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/nothing")

    ran = raxol_sql("metrics", "--format", "prometheus")

    assert (ran.code, ran.out) == (3, "")
