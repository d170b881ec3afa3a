"""What a statement is called that the server tells of."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

import raxol_sql as rx
from raxol_sql.ops.activity.naming import Label, Names
from raxol_sql.text.variants import all_statements


@pytest.fixture(scope="module")
def names(queries: rx.Queries) -> Names:
    return Names(queries[name] for name in queries)


def test_every_statement_of_every_query_is_called_by_its_name(
    names: Names, queries: rx.Queries
) -> None:
    for name in queries:
        for statement in all_statements(queries[name].definition.template):
            label = names.label(statement.text)
            assert label.is_name
            # Two queries may well be the same statement.
            assert name in label.text.split(", ")


def test_a_statement_of_nobody_s_is_its_own_text_without_values(names: Names) -> None:
    text = "select *\n  from users where name = 'hunter2' and age > 41 -- or not"
    assert names.label(text) == Label("select * from users where name = ? and age > ?")


@pytest.mark.parametrize(
    "text",
    [
        "select 1 /*query='users.get'*/",
        "/* query='users.get' */ select $1::int",
        "select 1 /*route='x',query='users.get',trace='y'*/",
        "select $$a$$, E'it\\'s', $1 /*query='users.get'*/ where name = 'cut o",
    ],
)
def test_a_tag_in_a_comment_names_a_statement(text: str) -> None:
    assert Names().label(text) == Label("users.get", is_name=True)


@pytest.mark.parametrize(
    "text",
    [
        "select '/*query=''a.b''*/'",
        "select '/*' || query='a.b' || '*/'",
        "select $$ /*query='a.b'*/ $$",
        "select E'\\'/*query=\\'a.b\\'*/'",
        "select \"/*query='a.b'*/\"",
        "select 1 /*subquery='a.b'*/",
        "select 1 /*query='a b; drop'*/",
    ],
)
def test_what_is_no_comment_or_no_name_is_no_tag(text: str) -> None:
    label = Names().label(text)
    assert not label.is_name


def test_a_text_that_the_server_has_cut_off_is_named_by_its_beginning(
    names: Names, queries: rx.Queries
) -> None:
    text = queries.users.get(id=1).statement.text
    short = text[: text.index("where") + 10]
    assert names.label(short, len(short) + 1) == Label("users.get", is_name=True)
    assert not names.label(short, 1024).is_name
    assert not names.label("select", 7).is_name


def test_what_the_role_may_not_see_is_said_to_be_that() -> None:
    assert Names().label("<insufficient privilege>") == Label("(not shown to this role)")


@given(st.text(alphabet=string.ascii_letters + string.digits + "'$/*- \n\\ä", max_size=40))
def test_no_value_is_ever_shown_whatever_is_in_it(value: str) -> None:
    quoted = value.replace("'", "''")
    label = Names().label(f"select * from users where name = 'q7{quoted}q7' limit 1")
    assert label == Label("select * from users where name = ? limit ?")
