"""One statement with many values has one fingerprint, also as pg_stat_statements keeps it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

import raxol_sql as rx
from raxol_sql.text.fingerprint import fingerprint, masked
from raxol_sql.text.variants import all_statements


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("select 1", "SELECT\n\t$1 -- one\n;"),
        ("select 'it''s', 1.5e3", "select $$x$$, /* a /* b */ */ $2"),
        ("select a - 5, -5, (- 5)", "select a -$1, $2, ($3)"),
        ("where a in (1, 2, 3)", "where a in ($1 /*, ... */)"),
        ("where a in ('1'::text, -2)", "where a in ($1 /*, ... */)"),
        ("select true, null, x is null", "select $1, $2, x is null"),
        ("select '1'::varchar(3), '2'::double precision[]", "select $1::varchar(3), $2"),
        ("select 'x'::timestamp (3) with time zone at time zone 'y'", "select $1 at time zone $2"),
        ("select extract(year from d)", "select extract($1 from d)"),
        ("select 1 limit all", "select $1 limit $2"),
        ("select interval '1 day'", "select interval $1"),
        ("where d in (date '2020-01-01', cast($1 as date))", "where d in ($1 /*, ... */)"),
        ("select a[1:2]", "select a[$1:$2]"),
        ('select "A"', 'SELECT  "A"'),
        ("where a=$1and b", "where a = 1 and b"),
    ],
)
def test_values_white_space_comments_and_case_make_no_difference(one: str, other: str) -> None:
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("select a", "select b"),
        ('select "a"', 'select "A"'),
        ("select a from t", "select a, a from t"),
        ("select x is null", "select x is not null"),
        ("select x is true", "select x is false"),
        ("select 1 + a", "select a"),
        ("select a + 1", "select a - 1"),
        ("select x$1", "select x$2"),
        ("select a::int", "select a::text"),
        ("limit 1", "limit 1 offset 1"),
    ],
)
def test_everything_else_does(one: str, other: str) -> None:
    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize("text", ["select a, 'cut of", "select a, $x$ cut", "select a, /* cut"])
def test_a_text_that_was_cut_off_is_known_up_to_there(text: str) -> None:
    assert fingerprint(text) == "select a , …"
    assert masked(text) == "select a, …"


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    assert fingerprint(text) == fingerprint(f"\n {text}")
    line = masked(text, 20)
    assert len(line) <= 20
    assert not re.search(r"[\n\r\t]", line)


@given(st.text("secret9876' \\\"$-/*\n", min_size=1))
def test_no_value_is_shown(value: str) -> None:
    literal = value.replace("'", "''")
    statement = f"update t set a = '{literal}', b = 9876 where c"
    # Behind a \' there is a text for one session that is none for another.
    is_clear = re.search(r"(?<!\\)(\\\\)*\\'", f"'{literal}'") is None
    assert masked(statement) == f"update t set a = ?{', b = ? where c' if is_clear else ' …'}"
    assert fingerprint(statement) == fingerprint("update t set a = '', b = 0 where c")


def test_a_statement_is_shown_in_one_line_that_is_no_longer_than_asked_for() -> None:
    text = "select  a,\n  b -- the b\nfrom t /* of all */ where c = $1 and d = any($2::int[])"
    assert masked(text) == "select a, b from t where c = ? and d = any(?::int[])"
    assert masked(text, 12) == "select a, b…"


@pytest.fixture(scope="module")
def counted(server_conninfo: str) -> Iterator[psycopg.Connection[tuple[str]]]:
    """A connection to a table of which pg_stat_statements counts every use."""
    name = "raxol_counted"
    with psycopg.connect(server_conninfo, autocommit=True) as connection:
        connection.execute(f"create database {name} template template0")
        with psycopg.connect(server_conninfo, dbname=name, autocommit=True) as counted:
            counted.execute("create extension pg_stat_statements")
            counted.execute("create table t (a int, b text, c bool, d timestamptz, e int[])")
            yield counted
        connection.execute(f"drop database {name} with (force)")


def kept(counted: psycopg.Connection[tuple[str]], statement: str) -> str:
    """What pg_stat_statements keeps of a statement that was run."""
    where = "dbid = (select oid from pg_database where datname = current_database())"
    counted.execute(
        "select pg_stat_statements_reset(0, oid, 0) from pg_database"
        " where datname = current_database()"
    )
    counted.execute(statement.encode())
    ((text,),) = counted.execute(
        "select query from pg_stat_statements"
        f" where {where} and query !~ 'pg_stat_statements'".encode()
    )
    return text


NUMBERS = st.deferred(
    lambda: st.one_of(
        st.sampled_from(
            ["a", "1", "-5", "- 5", "1e2::int", "'4'::int", "cast('3' as int)", "e[1]"]
        ),
        st.sampled_from(["extract(year from d)::int", "length('x')", "(e[1:2])[1]"]),
        st.builds("{} {} {}".format, NUMBERS, st.sampled_from("+-*"), NUMBERS),
        st.builds("({})".format, NUMBERS),
        st.builds("(array[{}, 2, -3])[1]".format, NUMBERS),
        st.builds("case when {} then {} else 7 end".format, TRUTHS, NUMBERS),
    )
)
TRUTHS = st.deferred(
    lambda: st.one_of(
        st.sampled_from(["c", "true", "false", "null::bool", "b is null", "c is not true"]),
        st.sampled_from(["d > now() - interval '1 day'", "d at time zone 'utc' > '2020-01-01'"]),
        st.sampled_from(["b like 'x%' escape '!'", "b in ('x'::text, 'y')", "e @> '{1}'"]),
        st.sampled_from(["b = E'\\n'", "b = $q$ it's $q$", "b::varchar(3) = 'x'", "b = 'a'\n'b'"]),
        st.sampled_from(["date '2020-01-01' < d", "a = any('{1,2}')", "a = any(array[1, 2])"]),
        st.sampled_from(["d in (timestamptz '2020-01-01', cast('2021-01-01' as timestamptz))"]),
        st.builds("{} in (1, -2, {})".format, NUMBERS, NUMBERS),
        st.builds("{} in (1, 2, 3, 4)".format, NUMBERS),
        st.builds("{} between -1 and {}".format, NUMBERS, NUMBERS),
        st.builds("not ({}) and {}".format, TRUTHS, TRUTHS),
        st.builds("({}) is distinct from null".format, TRUTHS),
    )
)
ENDS = [
    "",
    "limit 1",
    "limit all offset 2",
    "limit null",
    "order by 1",
    "fetch first row only",
    ";",
]
GAPS = [" ", "\n", " /* 'x' */ ", "\t-- 1\n"]


@given(st.lists(NUMBERS, min_size=1, max_size=3), TRUTHS, st.sampled_from(ENDS), st.data())
def test_what_pg_stat_statements_keeps_has_the_fingerprint_of_what_was_sent(
    counted: psycopg.Connection[tuple[str]],
    numbers: list[str],
    truth: str,
    end: str,
    data: st.DataObject,
) -> None:
    gap = data.draw(st.sampled_from(GAPS))
    select = data.draw(st.sampled_from(["select", "Select"]))
    statement = f"{select}{gap}{', '.join(numbers)} from{gap}T where {truth}{gap}{end}"
    assert fingerprint(kept(counted, statement)) == fingerprint(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "insert into t (a, b) values (1, 'x'), (-2, null)",
        "insert into t (a, c) values (1, true) on conflict do nothing returning a, 'x'",
        "update t set a = a - 1, c = false where b = any(array['x', 'y'])",
        "delete from t where a = -1",
        "with x as (select 1 as n) select n from x union all select 2",
        "values (1), (2)",
        "create table if not exists u (n numeric(9, 2) default -1)",
        "copy (select a from t where a = 1) to '/dev/null'",
        "select count(*) filter (where c is null) over (order by a rows 1 preceding) from t",
        "select normalize(b, NFC) from t",
        "select jsonb_build_object('k', a, 'l', 2) from t",
        "select substring(b from 1 for 2), trim(both 'x' from b) from t",
    ],
)
def test_statements_of_other_kinds_are_found_again_too(
    counted: psycopg.Connection[tuple[str]], statement: str
) -> None:
    assert fingerprint(kept(counted, statement)) == fingerprint(statement)


def test_the_statements_of_the_repository_all_differ(queries: rx.Queries) -> None:
    names: dict[str, set[str]] = {}
    for name in queries:
        for statement in all_statements(queries[name].definition.template):
            names.setdefault(fingerprint(statement.text), set()).add(name)
    assert [found for found in names.values() if len(found) > 1] == []
