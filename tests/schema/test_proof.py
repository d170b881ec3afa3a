"""What does not fit the live database is found before anything runs."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.schema import Finding, Level, prove
from raxol_sql.testing import FaultProxy

Found = Callable[..., list[Finding]]


class Odd(enum.Enum):
    """Members that are no labels."""

    A = "a"


NOTES = """
create table notes (
    id bigint generated always as identity primary key,
    body text,
    written timestamptz not null default now()
);
"""


@attrs.frozen
class Note:
    id: int
    body: str | None


@attrs.frozen
class Wrong:
    id: str
    body: str | None


@attrs.frozen
class Page:
    number: int
    note: Wrong | None


def said(findings: list[Finding], *codes: str) -> list[tuple[Level, str, str]]:
    codes = codes or ("statement", "record")
    return [(one.level, one.code, one.message) for one in findings if one.code in codes]


def test_a_statement_that_the_server_refuses_is_told_with_the_line_that_is_wrong(
    found: Found,
) -> None:
    (finding,) = [
        one
        for one in found(
            NOTES,
            "-- name: some :many -> Note\n-- Some.\nselect id, body\nfrom notes\n"
            "where true\n    /*? a */ and nope = :a /*?*/\n    /*? b */ and id = :b /*?*/;\n",
            Note,
        )
        if one.level is Level.FAIL
    ]
    assert finding.message == (
        'column "nope" does not exist (SQLSTATE 42703) at: and nope = $1; the query gives Note'
    )
    assert finding.subject == "own.some"
    assert finding.place.endswith("own.sql:1")


def test_what_is_wrong_in_many_statements_of_a_query_is_told_once(found: Found) -> None:
    query = (
        "-- name: add :one -> scalar\n-- Some.\n"
        "insert into notes (nope /*? a */ , id /*?*/) values (:n /*? a */ , :a /*?*/) returning id;"
    )
    (told,) = said(found(NOTES, query))
    assert told[2].endswith(
        "(SQLSTATE 42703) at: insert into notes (nope ) values ($1 ) returning id"
    )


def test_the_hint_of_the_server_is_what_to_do(found: Found) -> None:
    findings = found(NOTES, "-- name: some :many\n-- Some.\nselect boddy from notes;\n")
    hints = [one.remedy for one in findings if one.code == "statement"]
    assert hints == ['Perhaps you meant to reference the column "notes.body".']


def test_a_field_of_another_type_than_its_column_fails_wherever_it_is(found: Found) -> None:
    findings = found(
        NOTES,
        "-- name: plain :many -> Wrong\n-- Some.\nselect id, body from notes;\n"
        "-- name: cast :many -> Wrong\n-- Some.\nselect id::text as id, body from notes;\n"
        "-- name: inner :many -> Page\n-- Some.\n"
        'select 1 as number, id as "note.id", body as "note.body" from notes;\n',
        Wrong,
        Page,
    )
    message = "Wrong.id is str, and the column {!r} is bigint"
    assert said(findings) == [
        (Level.FAIL, "record", message.format("note.id")),
        (Level.FAIL, "record", message.format("id")),
    ]


def test_types_that_users_made_are_held_against_their_fields(found: Found) -> None:
    @attrs.frozen
    class Note:
        moods: str
        mood: Odd
        tags: list[str]

    attrs.resolve_types(Note, localns=locals())
    findings = found(
        "create type mood as enum ('sad'); create domain tag as text",
        "-- name: all :many -> Note\n-- Some.\n"
        "select '{}'::mood[] as moods, 'sad'::mood as mood, '{}'::tag[] as tags;\n",
        Note,
    )

    assert [(one.message, one.remedy) for one in findings if one.level is Level.FAIL] == [
        (
            "Note.moods is str, and the column 'moods' is mood[]",
            "annotate it as list[str]; or cast the column in the query",
        ),
        (
            "Note.mood is Odd, and the column 'mood' is mood",
            "no member of Odd has a label of the type as its value; "
            "or cast the column in the query",
        ),
    ]


def test_a_copy_is_checked_by_the_columns_and_the_query_that_it_names(found: Found) -> None:
    queries = """
-- name: load :copy
-- Some.
copy notes (body, {0}) from stdin;

-- name: save :copy
-- Some.
copy notes (id, {0}) to stdout;

-- name: chosen :copy
-- Some.
copy (select {0} from notes where id > 1) to stdout with (format csv);

-- name: whole :copy
-- Some.
copy {1} from stdin;
"""
    assert said(found(NOTES, queries.format("written", "notes"))) == []
    told = found("select 1", queries.format("nope", "nowhere"))
    failed = sorted(one.subject for one in told if one.code == "statement")
    assert failed == ["own.chosen", "own.load", "own.save", "own.whole"]


def test_a_copy_that_gives_records_is_compared_with_them(found: Found) -> None:
    queries = """
-- name: listed :copy -> Wrong
-- Some.
copy notes (id, body) to stdout (format binary);

-- name: chosen :copy -> Note
-- Some.
copy (select id, written from notes) to stdout (format binary);

-- name: whole :copy -> Note
-- Some.
copy notes to stdout (format binary);
"""
    told = [one.subject for one in found(NOTES, queries, Note, Wrong) if one.code == "record"]
    assert told == ["own.chosen", "own.listed"]


def test_a_copy_may_name_odd_columns(found: Found) -> None:
    query = '-- name: load :copy\n-- Some.\ncopy "Odd" (ID, "select", "a""b") from stdin;\n'
    assert said(found('create table "Odd" (id int, "select" int, "a""b" int)', query)) == []


def test_nothing_is_run_by_being_checked(found: Found, database: str) -> None:
    found(
        NOTES + "insert into notes (body) values ('kept');",
        "-- name: a :exec\n-- Some.\ndrop table notes;\n"
        "-- name: b :one -> scalar\n-- Some.\n"
        "insert into notes (body) values (:body) returning id;\n"
        "-- name: c :maybe -> scalar\n-- Some.\n"
        "delete from notes where body = :body returning id;\n"
        "-- name: d :exec\n-- Some.\ntruncate notes;\n",
    )
    with psycopg.connect(database) as connection:
        rows = connection.execute("select id, body from notes").fetchall()
        assert rows == [(1, "kept")]
        assert connection.execute("select nextval('notes_id_seq')").fetchone() == (2,)


def test_what_a_query_allows_is_not_told_of_it(found: Found) -> None:
    allowed = "-- @allow statement: the table is made by the program\n"
    query = "-- name: some :many\n{}-- Some.\nselect id from pg_temp_words;\n"
    assert len(said(found("select 1", query.format("")))) == 1
    assert said(found("select 1", query.format(allowed))) == []


@pytest.mark.parametrize(
    ("condition", "literals"),
    [
        ("body = ':body'", [":body"]),
        ("body like '%:words%'", ["%:words%"]),
        ("body = '%s'", ["%s"]),
        ("body = '%(body)s'", ["%(body)s"]),
        ("body like 'by {name} %' and body = :name", ["by {name} %"]),
        ("body like 'to :name, %' and body = :name", ["to :name, %"]),
        ("true /*? on */ and body = ':x' /*?*/", [":x"]),
        ("body = format('%s', :name::text)", []),
        ("to_char(written, 'HH24:MI:SS') = :name", []),
        ("to_char(written, 'hh24:mi') = :mi", []),
        ("body = 'a::name' and body = :name", []),
        ("body = 'http://x:80/' or body = '{}' or body = '{a,b}'", []),
        ("body = :'name' or body = ':)' or body = '100 %'", []),
        ("body = $$:name$$ and body = 'named :names' and body = :name", []),
    ],
)
def test_a_value_in_quotes_is_found_and_what_only_looks_like_one_is_not(
    found: Found, condition: str, literals: list[str]
) -> None:
    query = f"-- name: some :many\n-- Some.\nselect id from notes where {condition};\n"
    findings = found(NOTES, query)
    assert [one.code for one in findings if one.level is Level.FAIL] == []
    told = [one.message for one in findings if one.code == "literal"]
    assert told == [f"'{one}' in quotes is a text, and no parameter" for one in literals]


@pytest.mark.parametrize(
    ("query", "scanned"),
    [
        (":maybe\n-- Some.\nselect id from notes where body = :body", True),
        (":maybe\n-- Some.\nupdate notes set body = 'x' where body = :body returning id", True),
        (":one -> scalar\n-- Some.\nselect exists (select from notes where body = :body)", True),
        (":maybe\n-- Some.\nselect id from notes where id = :id", False),
        (":maybe\n-- Some.\nselect id from notes where id = :id and body = :body", False),
        (":maybe\n-- Some.\nselect id from notes where written = :at", False),
        (":maybe\n-- Some.\nselect id from notes where lower(body) = 'a'", False),
        (":one -> scalar\n-- Some.\nselect count(*) from notes where body > :body", False),
        (":many\n-- Some.\nselect id from notes where body = :body", False),
        (":maybe\n-- @allow scan: few\n-- Some.\nselect id from notes where body = :body", False),
    ],
)
def test_a_query_for_one_row_that_no_index_serves_is_noted(
    found: Found, query: str, scanned: bool
) -> None:
    findings = found(NOTES + "create index on notes (written);", f"-- name: some {query};\n")
    notes = said(findings, "scan")
    assert notes == (
        [(Level.NOTE, "scan", "reads every row of notes for (body = $1)")] if scanned else []
    )


def test_findings_are_the_same_however_often_it_is_asked(
    accounts_database: str, queries: rx.Queries
) -> None:
    with psycopg.connect(accounts_database, autocommit=True) as connection:
        proofs = [prove(connection, queries) for _ in range(2)]
        # A pooler gives the server of this connection to somebody else.
        assert connection.info.transaction_status.name == "IDLE"
        assert connection.execute("show enable_seqscan").fetchone() == ("on",)
    assert proofs[0] == proofs[1]
    assert {one.level for one in proofs[0].findings} <= {Level.NOTE}
    assert len(proofs[0].origins) == len(set(proofs[0].origins)) > 20


def test_a_row_without_a_record_has_no_types_to_fit(found: Found) -> None:
    query = "-- name: some :many\n-- Some.\nselect id, body, written from notes;\n"
    assert said(found(NOTES, query)) == []


def test_json_is_a_record_s_own_affair(found: Found) -> None:
    @attrs.frozen
    class Whole:
        id: int
        notes: dict[str, Any]
        at: datetime | None

    query = (
        "-- name: some :many -> Whole\n-- Some.\n"
        "select id, to_jsonb(notes) as notes, written as at from notes;\n"
    )
    assert said(found(NOTES, query, Whole)) == []


def test_a_server_that_is_lost_is_no_finding(database: str, queries: rx.Queries) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        with psycopg.connect(database, autocommit=True) as other:
            other.execute("select pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])
        with pytest.raises(psycopg.OperationalError):
            prove(connection, queries)


def test_a_table_that_is_locked_is_no_finding(accounts_database: str, queries: rx.Queries) -> None:
    with psycopg.connect(accounts_database) as other:
        other.execute("lock table users in access exclusive mode")
        with psycopg.connect(
            accounts_database, autocommit=True, options="-c statement_timeout=100ms"
        ) as connection:
            with pytest.raises(psycopg.OperationalError, match="canceling statement") as caught:
                prove(connection, queries)
            assert caught.value.__notes__[0].startswith("in query reports.account.overview (")
            assert connection.info.transaction_status.name == "IDLE"


def test_other_threads_go_on_while_the_server_is_asked(database: str, tmp_path: Path) -> None:
    # The proxy is a thread of this process: if that were held up, nothing would ever come.
    (tmp_path / "own.sql").write_text("-- name: one :one\n-- One.\nselect 1 as one where :n = 1;\n")
    with (
        FaultProxy(database) as proxy,
        psycopg.connect(proxy.conninfo, autocommit=True) as connection,
    ):
        assert prove(connection, rx.load(tmp_path)).findings == ()


def test_a_server_that_goes_silent_is_waited_for_no_longer_than_is_said(
    database: str, watch: Any, queries: rx.Queries
) -> None:
    with (
        FaultProxy(database) as proxy,
        psycopg.connect(proxy.conninfo, autocommit=True) as connection,
    ):
        proxy.black_hole()
        with watch.at_most(5), pytest.raises(psycopg.errors.ConnectionTimeout):
            prove(connection, queries, seconds=0.3)

        assert connection.closed
