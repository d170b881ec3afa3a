"""Identifiers in quotes where SQL needs them."""

from __future__ import annotations

import psycopg
import pytest

from raxol_sql import embedded
from raxol_sql.text.identifier import RESERVED, quoted

ODD = ["plain", "two_words", "user", "MiXed", "a b", 'say "hi"', "1st", "été", "values", "do"]


def test_the_words_that_need_quotes_are_those_of_the_server(server: embedded.Server) -> None:
    with psycopg.connect(server.conninfo("postgres")) as connection:
        rows = connection.execute("select word from pg_get_keywords() where catcode in ('R', 'T')")
        assert {word for (word,) in rows} == RESERVED


@pytest.mark.parametrize("name", [*ODD, *sorted(RESERVED)])
def test_a_quoted_name_is_a_column_of_that_name(server: embedded.Server, name: str) -> None:
    with psycopg.connect(server.conninfo("postgres")) as connection:
        text = f"select {quoted(name)} from (select 1) as t ({quoted(name)})"
        description = connection.execute(text.encode()).description
        assert description is not None
        assert description[0].name == name
