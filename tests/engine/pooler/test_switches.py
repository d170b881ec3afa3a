"""A PgBouncer that moves a client from one connection of the server to another between calls."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raxol_sql.engine.session.prepared import LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Play

SQL = """\
    -- name: echo :one -> scalar
    select :n::int;
    -- name: echoes :many -> scalar
    select :n + m from generate_series(0, 1) as m;
    -- name: shout :one -> scalar
    select upper(:word);
    -- name: pid :one -> scalar
    select pg_backend_pid();
    -- name: pets :many
    select * from pets;
    -- name: named :many -> scalar
    select a from pets where a = :a;
    -- name: discard :exec
    discard all;
    -- name: kept :one -> scalar
    select count(*) from pg_prepared_statements;
"""
EITHER = pytest.mark.parametrize("keeps_statements", [False, True])
ANY_MODE = pytest.mark.parametrize(
    ("keeps_statements", "prepare"), [(False, False), (False, True), (True, False), (True, True)]
)


@pytest.fixture
def q(write: Any) -> Any:
    return write(SQL)


@pytest.fixture
def _pets(side: Any) -> Iterator[None]:
    side.execute("create table pets (a int); insert into pets values (1)")
    yield
    side.execute("drop table pets")


@ANY_MODE
def test_a_statement_runs_on_a_connection_that_has_never_seen_it(
    play: Play, pooler: Any, held: Any, q: Any, keeps_statements: bool, prepare: bool
) -> None:
    url = pooler(keeps_statements=keeps_statements, connections=2)

    async def story(db: Any) -> None:
        assert await db.run(q.echo(n=1)) == 1
        before = await db.run(q.pid())
        with held(url) as taken:
            assert taken == before
            assert await db.run(q.echo(n=2)) == 2
            assert await db.run(q.pid()) != before
            async with db.transaction() as tx:
                assert await tx.run(q.echo(n=3)) == 3
        assert await db.run(q.echo(n=4)) == 4

    play(story, url, pool_size=1, prepare=prepare)


@ANY_MODE
def test_a_statement_runs_where_another_client_has_prepared_it_already(
    play: Play, pooler: Any, q: Any, keeps_statements: bool, prepare: bool
) -> None:
    url = pooler(keeps_statements=keeps_statements, connections=1)

    async def story(db: Any) -> None:
        async with play.opened(url, pool_size=1, prepare=prepare) as other:
            for n in range(3):
                for each in (db, other):
                    assert await each.run(q.echo(n=n)) == n
            async with other.transaction() as tx:
                assert await tx.run(q.shout(word="a")) == "A"
            async with db.transaction() as tx:
                assert await tx.run(q.shout(word="b")) == "B"
            assert await db.run_many(q.echo, [{"n": n} for n in range(3)]) == [0, 1, 2]
            assert await other.run_many(q.echo, [{"n": n} for n in range(3)]) == [0, 1, 2]

    play(story, url, pool_size=1, prepare=prepare)


@ANY_MODE
@pytest.mark.usefixtures("_pets")
def test_a_changed_table_is_seen_by_every_client(
    play: Play,
    pooler: Any,
    held: Any,
    q: Any,
    side: Any,
    keeps_statements: bool,
    prepare: bool,
) -> None:
    url = pooler(keeps_statements=keeps_statements, connections=2)

    async def seen(db: Any, columns: list[str]) -> None:
        (row,) = await db.run(q.pets())
        assert [name for name in dir(row) if name in ("a", "b0", "b1", "b2")] == columns

    async def story(db: Any) -> None:
        columns = ["a"]
        async with play.opened(url, pool_size=1, prepare=prepare) as other:
            for turn in range(3):
                for each in (db, other):
                    await seen(each, columns)
                with held(url):
                    await seen(db, columns)
                columns.append(f"b{turn}")
                side.execute(f"alter table pets add b{turn} text")
                for each in (db, other, db, other):
                    await seen(each, columns)

    play(story, url, pool_size=1, prepare=prepare)


@EITHER
def test_statements_that_a_client_discards_are_prepared_again(
    play: Play, pooler: Any, q: Any, keeps_statements: bool
) -> None:
    url = pooler(keeps_statements=keeps_statements, connections=1)

    async def story(db: Any) -> None:
        async with play.opened(url, pool_size=1) as other:
            for n in range(3):
                for each in (db, other):
                    assert await each.run(q.echo(n=n)) == n
                await db.run(q.discard())
                for each in (other, db):
                    assert await each.run(q.echo(n=n)) == n

    play(story, url, pool_size=1)


@EITHER
def test_without_preparing_no_statement_is_left_on_the_server(
    play: Play, pooler: Any, q: Any, collect: Any, keeps_statements: bool
) -> None:
    url = pooler(keeps_statements=keeps_statements, connections=1)

    async def story(db: Any) -> None:
        for n in range(3):
            assert await db.run(q.echo(n=n)) == n
            assert await db.run_many(q.echo, [{"n": n}, {"n": n + 1}]) == [n, n + 1]
            assert await collect(db.stream(q.echoes(n=n))) == [n, n + 1]
            assert await db.run(q.kept()) == 0

    play(story, url, pool_size=1, prepare=False)


@EITHER
def test_more_statements_than_anybody_keeps_give_their_own_results(
    play: Play, pooler: Any, write: Any, keeps_statements: bool
) -> None:
    url = pooler(keeps_statements=keeps_statements, connections=1)
    count = LIMIT + 20
    texts = [f"-- name: n{n} :one -> scalar\nselect {n} + :zero;\n" for n in range(count)]
    many = write("".join(texts))

    async def story(db: Any) -> None:
        async with play.opened(url, pool_size=1) as other:
            for first in (0, 1, 2):
                for n in range(first, count, 2):
                    assert await db.run(many[f"n{n}"](zero=0)) == n
                    assert await other.run(many[f"n{count - 1 - n}"](zero=0)) == count - 1 - n

    play(story, url, pool_size=1)


END_OTHERS = """\
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()
    and backend_type = 'client backend'
"""
CHANGES = {
    "add": "alter table pets add b{} text",
    "int": "alter table pets alter a type int using a::int",
    "bigint": "alter table pets alter a type bigint using a::bigint",
    "text": "alter table pets alter a type text",
}
steps = st.lists(
    st.sampled_from(["hold", "let go", *CHANGES, "one", "other", "both", "both"]),
    min_size=4,
    max_size=16,
)


@ANY_MODE
def test_any_order_of_switches_changes_and_calls_gives_the_right_rows(
    play: Play,
    pooler: Any,
    held: Any,
    q: Any,
    side: Any,
    until: Any,
    keeps_statements: bool,
    prepare: bool,
) -> None:
    url = pooler(keeps_statements=keeps_statements, connections=2)

    async def story(one: Any, other: Any, steps: list[str]) -> None:
        names, value = ["a"], "1"
        with ExitStack() as holding:
            for step in steps:
                if step == "hold":
                    holding.close()
                    holding.enter_context(held(url))
                elif step == "let go":
                    holding.close()
                elif step in CHANGES:
                    side.execute(CHANGES[step].format(len(names)))
                    if step == "add":
                        names.append(f"b{len(names)}")
                    else:
                        value = "1" if step == "text" else 1
                else:
                    for db in {"one": [one], "other": [other]}.get(step, [one, other]):
                        (row,) = await db.run(q.pets())
                        assert attrs.asdict(row) == {**dict.fromkeys(names), "a": value}
                        assert await db.run(q.named(a=value)) == [value]

    @settings(max_examples=25)
    @given(steps)
    def holds(steps: list[str]) -> None:
        # With the statements that they keep, which are of other tables.
        until(lambda: not side.execute(END_OTHERS).fetchall())
        side.execute("drop table if exists pets")
        side.execute("create table pets (a text); insert into pets values ('1')")

        async def both(one: Any) -> None:
            async with play.opened(url, pool_size=1, prepare=prepare) as other:
                await story(one, other, steps)

        play(both, url, pool_size=1, prepare=prepare)

    try:
        holds()
    finally:
        side.execute("drop table pets")
