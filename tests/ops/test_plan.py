"""Plans, and what is found in them: on real tables, and by laws."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

import raxol_sql as rx
from raxol_sql import embedded
from raxol_sql.config.config import MASK
from raxol_sql.ops.finding import Finding
from raxol_sql.ops.plans.asking import (
    explain,
    explain_any,
    known_tables,
    planned_text,
)
from raxol_sql.ops.plans.condition import wish_of
from raxol_sql.ops.plans.judging import findings_of
from raxol_sql.ops.plans.tree import Plan, label_of, nodes_of

ROWS = 4000
TABLES = f"""
create table things (
    id bigint primary key, name varchar(50) not null, size int, "Odd" int, note text, is_on boolean
) with (autovacuum_enabled = false);  -- which would make an index alone enough to read
insert into things
select n, 'name ' || n, n % 500, n % 7, repeat('x', 100), n % 2 = 0
from generate_series(1, {ROWS}) n;
create table parts (thing bigint, label text);
insert into parts select n % 40, 'part ' || n from generate_series(1, {ROWS}) n;
create table skewed (a int, b int);
insert into skewed select n % 1000, n % 1000 from generate_series(1, 100000) n;
analyze;
"""


@pytest.fixture(scope="module")
def big(server: embedded.Server) -> Iterator[str]:
    """A database with tables that are worth an index."""
    name = "raxol_plans"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template template0")
        with psycopg.connect(server.conninfo(name), autocommit=True) as filling:
            filling.execute(TABLES.encode())
        yield server.conninfo(name)
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def bind(tmp_path: Path) -> Callable[..., rx.BoundQuery[Any]]:
    """Gives a query of this text with its arguments."""

    def bind(text: str, **arguments: object) -> rx.BoundQuery[Any]:
        (tmp_path / "own.sql").write_text(f"-- name: q :many\n{text}\n")
        bound: rx.BoundQuery[Any] = rx.load(tmp_path / "own.sql").own.q(**arguments)
        return bound

    return bind


@pytest.fixture
def found(big: str, bind: Callable[..., rx.BoundQuery[Any]]) -> Callable[..., list[Finding]]:
    """Gives what is found in the plan of a query, with its arguments, or run with ``analyze``."""

    def found(
        text: str, *, analyze: bool = False, rows: int = 1000, setup: str = "", **arguments: object
    ) -> list[Finding]:
        # The settings of a test are the session's, so that the pool's own ones are kept out.
        conninfo = psycopg.conninfo.make_conninfo(big, options=setup)
        with rx.Database.open(conninfo, pool_size=1, pool_min_size=1) as db:
            plan = explain(db, bind(text, **arguments), analyze=analyze)
            return findings_of(plan, known_tables(db, plan), rows=rows)

    return found


Found = Callable[..., list[Finding]]
Bind = Callable[..., "rx.BoundQuery[Any]"]


def test_a_table_that_is_read_whole_is_named_with_the_columns_and_the_index(found: Found) -> None:
    (finding,) = found(
        "select id from things where name = :name and size > :size", name="x", size=3
    )

    assert finding.check == "seq scan"
    assert finding.message.startswith("4,000 rows of things are to be read")
    assert {"name", "size"} <= set(finding.message.replace(",", "").split())
    assert finding.remedy == "create index concurrently on things (name, size);"


def test_the_index_that_is_advised_is_used_then(big: str, bind: Bind, found: Found) -> None:
    text = "select id from things where size = :size and name = :name"
    (finding,) = found(text, size=3, name="x")

    with psycopg.connect(big, autocommit=True) as connection:
        connection.execute(finding.remedy.encode())
        try:
            assert found(text, size=3, name="x") == []
        finally:
            connection.execute("drop index things_size_name_idx")


@pytest.mark.parametrize(
    ("condition", "remedy"),
    [
        ('"Odd" = 8', 'create index concurrently on things ("Odd");'),
        ("size = any(array[3, 4])", "create index concurrently on things (size);"),
        ("note = 'Ann OR AND things.size = 3'", "create index concurrently on things (note);"),
        ("size > 480 and id % 2 = 0", "create index concurrently on things (size);"),
        ("is_on and size = 4", "create index concurrently on things (size);"),
        ("size = 4 or note = 'y'", "see whether an index on things can serve this condition"),
        ("note like '%y%'", "see whether an index on things can serve this condition"),
        ("lower(note) = 'y'", "see whether an index on things can serve this condition"),
        ("size::text = '3'", "see whether an index on things can serve this condition"),
        ('size = things."Odd"', "see whether an index on things can serve this condition"),
        (
            "size >= 5",
            "most of its rows are asked for, so no index would help: ask for fewer",
        ),
        ("true", "ask for fewer rows, a page at a time, or stream them"),
    ],
)
def test_an_index_is_advised_only_where_the_condition_tells_which(
    found: Found, condition: str, remedy: str
) -> None:
    (finding,) = found(f"select id from things where {condition}")

    assert finding.remedy == remedy


def test_where_an_index_is_there_already_the_statistics_are_to_be_seen_to(found: Found) -> None:
    (finding,) = found(
        "select note from things where id = 3",
        setup="-c enable_indexscan=off -c enable_bitmapscan=off -c enable_indexonlyscan=off",
    )

    assert finding.remedy == "raxol-sql analyze --table things  # an index begins with id"


def test_a_limit_that_stops_a_scan_early_is_no_reason_to_warn(found: Found) -> None:
    assert found("select note from things limit 5") == []
    assert len(found("select note from things order by note limit 5")) == 1
    assert found("select note from things limit 5", analyze=True) == []


@pytest.mark.parametrize(("rows", "count"), [(ROWS - 1, 1), (ROWS, 0)])
@pytest.mark.parametrize("analyze", [True, False])
def test_a_scan_of_as_many_rows_as_allowed_is_allowed(
    found: Found, rows: int, count: int, analyze: bool
) -> None:
    text = "select id from things where note = 'y'"

    assert len(found(text, rows=rows, analyze=analyze)) == count


def test_every_time_that_a_scan_is_repeated_counts_where_it_was_run(found: Found) -> None:
    text = "select (select count(*) from parts where thing = things.id) from things where id <= 3"
    (scan,) = found(text, rows=3 * ROWS - 1, analyze=True)

    assert scan.message.startswith("12,000 rows of parts were read")
    assert scan.remedy == "create index concurrently on parts (thing);"


def test_estimates_that_are_far_off_are_found_where_they_arise_and_only_when_run(
    found: Found,
) -> None:
    text = "select count(*) from skewed where a = b and a + b >= 0"

    assert found(text, rows=10**6) == []
    (finding,) = found(text, rows=10**6, analyze=True)
    assert finding.check == "estimate"
    assert "100,000 rows came" in finding.message
    assert finding.remedy == "raxol-sql analyze --table skewed"


def test_rows_that_nobody_asked_for_are_no_wrong_estimate(found: Found) -> None:
    text = "select 1 where exists (select from skewed where a >= 0)"

    assert found(f"{text} limit 1", rows=10**6, analyze=True) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("select note, id from things order by note, name", "kB were sorted on disk"),
        (
            "select count(*) from things a join things b on a.note || a.name = b.note || b.name",
            "the hash table went to disk",
        ),
    ],
)
def test_what_does_not_fit_into_memory_is_found_when_run(
    found: Found, text: str, said: str
) -> None:
    setup = "-c work_mem=64kB -c enable_mergejoin=off -c enable_nestloop=off -c jit=off"
    spills = found(text, rows=10**6, analyze=True, setup=setup)

    assert any(one.check == "spill" and said in one.message for one in spills)
    assert all("work_mem" in one.remedy for one in spills if one.check == "spill")
    assert found(text, rows=10**6, analyze=True, setup="-c work_mem=64MB -c jit=off") == []


def test_arguments_travel_beside_the_text(big: str, bind: Bind) -> None:
    bound = bind("select id from things where note = :note", note="it's'; drop table things; --")
    with rx.Database.open(big) as db:
        plan = explain(db, bound)

    assert "it''s''; drop table things; --" in plan.root["Filter"]


def test_nothing_is_run_without_analyze(big: str, bind: Bind) -> None:
    with rx.Database.open(big) as db:
        plan = explain(db, bind("delete from things where id > :id returning id", id=0))
        assert db.run(bind("select count(*) as n from things"))[0].n == ROWS

    assert not plan.was_run


def test_a_plan_for_any_arguments_has_their_places_in_it(big: str) -> None:
    with psycopg.connect(big, autocommit=True) as connection:
        plan = explain_any(connection, "select id from things where note = $1 and size > $2::int")
    text = "\n".join(plan.lines())

    assert text.startswith("Seq Scan on things  (cost=0.00..")
    assert "Filter: ((things.size > $2) AND (things.note = $1))" in text


@pytest.mark.parametrize(
    "text",
    [
        "select id from things where note = $1 and size > $2",
        "select 1",
        "update things set size = size + $1 where id = $2",
    ],
)
def test_it_is_the_generic_plan_of_the_server_which_keeps_nothing(big: str, text: str) -> None:
    with psycopg.connect(big, autocommit=True, prepare_threshold=None) as connection:
        plan = explain_any(connection, text)
        kept = connection.execute("select count(*) from pg_prepared_statements").fetchone()
        row = connection.execute(
            f"explain (generic_plan, verbose, format json) {text}".encode()
        ).fetchone()

    assert row is not None
    assert plan.root == Plan.read(row[0]).root
    assert kept == (0,)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (":many\nselect 1", "select 1"),
        (":many\n(select 1)", "(select 1)"),
        (":many\nwith a as (select 1) table a", "with a as (select 1) table a"),
        (":copy\ncopy (select 1) to stdout", "select 1"),
        (":copy\ncopy things to stdout", None),
        (":copy\ncopy things from stdin", None),
        (":exec\ntruncate things", None),
        (":exec\ncall nothing()", None),
        (":exec\nvacuum", None),
    ],
)
def test_what_the_server_plans_is_told_from_what_it_does_not(
    tmp_path: Path, query: str, text: str | None
) -> None:
    (tmp_path / "own.sql").write_text(f"-- name: q {query}\n")
    loaded: Any = rx.load(tmp_path / "own.sql").own.q

    assert planned_text(loaded, loaded().statement) == text


def test_a_query_without_a_plan_cannot_be_asked_for_one(big: str, tmp_path: Path) -> None:
    (tmp_path / "own.sql").write_text("-- name: q :exec\ntruncate things\n")

    with rx.Database.open(big) as db, pytest.raises(ValueError, match=r"own\.q is a statement"):
        explain(db, rx.load(tmp_path / "own.sql").own.q())


NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
LITERALS = st.text(st.characters(exclude_characters="\0"), max_size=12).map(
    lambda text: "'{}'::text".format(text.replace("'", "''"))
)
TERMS = st.tuples(NAMES, st.sampled_from(["=", "<", "<=", ">", ">="]), LITERALS)


@given(terms=st.lists(TERMS, min_size=1, max_size=4, unique_by=lambda term: term[0]), alias=NAMES)
def test_of_a_conjunction_every_comparison_is_read_whatever_stands_in_its_literals(
    terms: list[tuple[str, str, str]], alias: str
) -> None:
    written = " AND ".join(f"({alias}.{name} {sign} {value})" for name, sign, value in terms)
    wish = wish_of(f"({written})" if len(terms) > 1 else written, alias)

    assert wish.equal == tuple(name for name, sign, _ in terms if sign == "=")
    assert wish.ranged == tuple(name for name, sign, _ in terms if sign != "=")
    assert wish.columns == tuple(name for name, _, _ in terms)


@given(condition=st.text(st.sampled_from("ab.()'\" ANDOR=<>:text"), max_size=60))
def test_no_condition_is_too_odd_to_be_read(condition: str) -> None:
    wish = wish_of(condition, "a")

    assert {*wish.equal, *wish.ranged} <= set(wish.columns)


TEXTS = st.text(st.characters(codec="ascii", categories=["L"]), min_size=5, max_size=9).map(
    lambda text: f"hush {text}"
)
KEYS = st.sampled_from(
    ["Filter", "Index Cond", "Sort Key", "Group Key", "Function Call", "Something New", "Workers"]
)


@given(
    texts=st.dictionaries(KEYS, st.one_of(TEXTS, st.lists(TEXTS, min_size=1)), min_size=1),
    below=TEXTS,
)
def test_of_a_masked_plan_only_names_and_figures_are_left(texts: Any, below: str) -> None:
    figures = {"Startup Cost": 0.0, "Total Cost": 1.0, "Plan Rows": 1, "Plan Width": 8}
    inner = {"Node Type": "Result", **figures, "One-Time Filter": below}
    outer = {"Node Type": "Seq Scan", "Relation Name": "users", **figures, **texts}
    plan = Plan.read([{"Plan": {**outer, "Plans": [inner]}}])
    masked = plan.masked

    assert "hush" in json.dumps(plan.document)
    assert "hush" not in json.dumps(masked.document) + "".join(masked.lines())
    assert MASK in json.dumps(masked.document)
    assert [label_of(node) for node in nodes_of(masked.root)] == ["Seq Scan on users", "Result"]
