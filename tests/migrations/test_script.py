"""Migration files are split as PostgreSQL's scanner does, or refused with the line and a remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import postgast
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.errors import MigrationError
from raxol_sql.migrations.script import read_script, split_statements

if TYPE_CHECKING:
    from pathlib import Path

    from tests.migrations.conftest import Project

ATOMIC = (
    "create or replace function f(int) returns int begin atomic\n"
    "  select 1 as end; select case when $1 > 0 then 1 else 2 end;\nend"
)
# Each is one statement, without its semicolon.
STATEMENTS = [
    "select 1",
    "select ';' as \"a;b\"",
    r"select E'it\';s'",
    "select 1 /* ; /* ; */ */ + 1",
    "select $body$ a; b $$ c; $body$",
    "create function g(int, int) returns int language sql as 'select $1 + $2;'",
    "create function h() returns int language plpgsql as $$ begin return 1; end $$",
    "create rule r as on insert to t do also (delete from t; delete from t)",
    "create table a (begin int, atomic int)",
    "select a[1:2] from (select array[1, 2] as a) as s",
    "prepare p as select $1::int",
    "do $$ begin perform 1; end $$",
    "create function begin() returns int begin atomic select 1; end",
    ATOMIC,
]


def texts(sql: str) -> list[str]:
    return [sql[each[0].start : each[-1].end] for each in split_statements(sql)]


@given(
    st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=6),
    st.sampled_from([";", " ;\n", ";-- it's ;\n", ";/* ; /* ' */ ; */", ";;\n;"]),
)
def test_statements_that_are_put_together_come_apart_again(
    statements: list[str], between: str
) -> None:
    sql = between.join(statements)

    assert [each.removesuffix(";").rstrip() for each in texts(sql)] == statements


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_parser_of_the_server_takes_each_part_for_one_statement(statement: str) -> None:
    for part in texts(f"select 0;\n{statement};\nselect 2;"):
        assert len(postgast.parse(part).stmts) == 1


def test_a_byte_order_mark_is_skipped_in_a_migration_and_in_its_rollback(
    project: Project,
) -> None:
    project.write(
        "0001-a",
        "\ufeff-- transactional: false\ncreate table a ();",
        "\ufeffdrop table a;",
    )

    project.migrations().apply()
    assert project.tables() == {"a"}
    assert project.states() == {"0001": "applied"}
    project.migrations().rollback()
    assert project.tables() == set()


def test_nested_comments_and_bodies_of_functions_are_applied_as_written(project: Project) -> None:
    project.query("create table t (i int)")
    project.write("0001-a", ";\n".join([*STATEMENTS[:8], ATOMIC]) + ";\n/* ; /* ; */ ; */\n")

    project.migrations().apply()

    assert project.query("select f(0), g(1, 2), h()") == [(2, 3, 1)]


@pytest.mark.parametrize(
    ("sql", "line", "words"),
    [
        ("select 1;\n\\set x it's", 2, r"`\set`, a command of psql"),
        ("\\restrict key\nselect 1;", 1, r"`\restrict`, a command of psql"),
        ("select 1\n\\gexec", 2, r"`\gexec`, a command of psql"),
        ("\\copy t from 'x.csv'", 1, r"`\copy`, a command of psql"),
        ("select 1;\nselect :x;", 2, "`:x`, a variable of psql"),
        ("select :'x';", 1, "`:'x'`, a variable of psql"),
        ('drop table :"x";', 1, '`:"x"`, a variable of psql'),
        ("select 1;\ncopy t (i) from stdin;\nit's\t1\n\\.\n", 2, "`copy … from stdin`"),
        ("COPY t FROM STDIN WITH (format csv);\n1\n", 1, "`copy … from stdin`"),
        ("copy (select 1) to stdout", 1, "`copy … to stdout`"),
        ("select 1;\nselect 'it;", 2, "a string literal that is not closed"),
        ("select 1; /* /* */", 1, "a comment that is not closed"),
        ("do $x$ begin end $$;", 1, "a dollar-quoted string that is not closed: $x$"),
        ("select\u00a01;", 1, "U+00A0, which looks like a blank"),
        ("select 1;\n\ufeffselect 2;", 2, "U+FEFF, which looks like a blank"),
        ("select 1;\nselect '\0';", 2, "a NUL character"),
    ],
)
def test_what_no_server_takes_is_refused_with_its_line(
    project: Project, sql: str, line: int, words: str
) -> None:
    path = project.write("0001-a", sql)

    with pytest.raises(MigrationError) as caught:
        project.migrations().apply()

    assert str(caught.value).startswith(f"{path}:{line}: {words}")
    assert ". To fix it, " in str(caught.value)


def test_a_rollback_file_is_refused_by_its_own_name(project: Project) -> None:
    project.write("0001-a", "create table a ();", "select 1;\n\\echo gone")

    with pytest.raises(MigrationError, match=r"0001-a\.rollback\.sql:2: `\\echo`"):
        project.migrations().apply()

    assert project.tables() == set()


@pytest.mark.parametrize(
    ("data", "words"),
    [("select 1;".encode("utf-16"), "UTF-16"), (b"select 1;\nselect '\xe9'", ":2: not UTF-8")],
)
def test_another_encoding_is_named(project: Project, data: bytes, words: str) -> None:
    project.write("0001-a", "").write_bytes(data)

    with pytest.raises(MigrationError, match=words):
        project.migrations().apply()


def test_the_code_hash_forgets_comments_and_blanks_alone(tmp_path: Path) -> None:
    def hash_of(sql: str) -> str:
        path = tmp_path / "a.sql"
        path.write_text(sql, encoding="utf-8")
        return read_script(path).code_hash

    first = hash_of("select 1;\nselect 'a  b';")
    assert hash_of("\ufeff-- why\n/* how */ select\t1 ;;\r\nselect 'a  b'\n-- end") == first
    assert hash_of("select 1;\nselect 'a b';") != first
    assert hash_of("select 1\nselect 'a  b';") != first
    assert hash_of("select 11;\nselect 'a  b';") != first
