"""Arguments in errors: hidden, unless they are asked for, and a tag that names a query."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

import raxol_sql as rx
from tests.engine.conftest import Play

TEXT = """
    -- name: add :exec
    -- @sensitive name
    insert into users (email, name) values (:email, :name);

    -- name: none :exec
    select 1 / (select count(*) from users where false);

    -- name: all :many
    select 1 / n from unnest(:numbers::int[]) as n;
"""


def _notes(error: BaseException) -> str:
    return " ".join(getattr(error, "__notes__", ()))


@pytest.mark.parametrize("shows", [False, True])
@pytest.mark.parametrize("how", ["run", "run with a marker", "multi", "run_all"])
def test_an_error_says_the_arguments_only_if_that_is_switched_on(
    play: Play, write: Any, shows: bool, how: str
) -> None:
    q = write(TEXT)
    wrong = q.add(email="SECRET42", name="NEVER42")
    ways = {
        "run": lambda db: db.run(wrong),
        "run with a marker": lambda db: db.run(wrong, commit_check="xid"),
        "multi": lambda db: db.run(rx.Multi().add("step", wrong)),
        "run_all": lambda db: db.run_all([wrong]),
    }

    async def story(db: Any) -> str:
        with pytest.raises(psycopg.Error) as caught:
            await ways[how](db)
        return _notes(caught.value)

    notes = play(story, show_sensitive_data_on_connection_error=shows)

    assert "in query q.add" in notes
    assert ("with email='SECRET42', name=********" in notes) is shows
    assert "NEVER42" not in notes
    assert ("SECRET42" in notes) is shows


def test_a_stream_and_a_query_without_arguments_say_so_too(
    play: Play, write: Any, collect: Any
) -> None:
    q = write(TEXT)

    async def story(db: Any) -> list[str]:
        with pytest.raises(psycopg.errors.DivisionByZero) as first:
            await db.run(q.none())
        with pytest.raises(psycopg.errors.DivisionByZero) as second:
            await collect(db.stream(q.all(numbers=[4, 0])))
        return [_notes(first.value), _notes(second.value)]

    first, second = play(story, show_sensitive_data_on_connection_error=True)

    assert "without arguments" in first
    assert "with numbers=[4, 0]" in second


def test_a_long_value_is_cut_and_one_that_cannot_be_shown_replaces_no_error(
    play: Play, write: Any
) -> None:
    class Odd(int):
        def __repr__(self) -> str:
            raise ZeroDivisionError

    q = write("""
        -- name: long :exec
        select length(:data::bytea) / 0, :n::int;
    """)

    async def story(db: Any) -> str:
        with pytest.raises(psycopg.errors.DivisionByZero) as caught:
            await db.run(q.long(data=b"x" * 10_000_000, n=Odd(3)))
        return _notes(caught.value)

    notes = play(story, show_sensitive_data_on_connection_error=True)

    assert len(notes) < 1_000
    assert "n=<Odd instance" in notes


def test_a_tag_names_the_query_to_the_server_in_every_statement(play: Play, tmp_path: Any) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.sql").write_text(
        """
        -- name: seen :many -> scalar
        select query from pg_stat_activity where pid = pg_backend_pid()
        /*? wanted */ and :wanted /*?*/ -- the end

        -- name: out :copy
        copy (select 1 as n) to stdout;
        """
    )
    q = rx.load(tmp_path, tags=True).a.b

    async def story(db: Any) -> list[str]:
        assert await db.copy(q.out) == [("1",)]
        return [
            *await db.run(q.seen()),
            *await db.run(q.seen(wanted=True)),
            *(await db.run_all([q.seen()]))[0],
        ]

    seen = play(story)

    assert len(seen) == 3
    assert all(text.startswith("select query") for text in seen)
    assert all(text.endswith("\n/*query='a.b.seen'*/") for text in seen)
    assert "query=" not in rx.load(tmp_path).a.b.seen().statement.text
