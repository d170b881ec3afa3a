"""Errors of real calls go to another process, and are copied, with what they say."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest

import raxol_sql as rx
from raxol_sql.engine.batch.multi import StepFailure
from raxol_sql.testing import to_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import Play

WAYS: dict[str, Callable[[Any], Any]] = {
    **{
        f"pickle {protocol}": lambda error, protocol=protocol: pickle.loads(
            pickle.dumps(error, protocol)
        )
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def steps(q: Any, last: Any) -> rx.Multi:
    """The last one is made of the results of the others, so they are there when it fails."""
    first = rx.Multi().add("one", q.add_one(n=1)).add("row", q.row())
    return first.add("last", lambda done: last)


async def caught(work: Any) -> BaseException:
    try:
        await work
    except Exception as error:
        return error
    raise AssertionError("it did not fail")


@pytest.fixture
def q(write: Any) -> Any:
    """Queries that fail in several ways."""
    return write(
        """\
        -- name: add :exec
        insert into marks (n) values (:n);
        -- name: add_one :one -> scalar
        insert into marks (n) values (:n) returning n;
        -- name: row :one
        select 1 as a, 'x' as b;
        -- name: none :one -> scalar
        select 1 where false;
        -- name: fail :exec
        select 1 / 0;
        -- name: slow :exec
        -- @timeout 60ms
        select pg_sleep(60);
        """
    )


async def errors_of(db: Any, q: Any, proxy: Any) -> dict[str, BaseException]:
    """Errors of all sorts, by a name."""
    found = {
        "driver": await caught(db.run(q.fail())),
        "step": await caught(db.run(steps(q, q.fail()))),
        "step, shape": await caught(db.run(steps(q, q.none()))),
        "rows": await caught(db.run(q.none())),
        "many": await caught(db.run_many(q.fail, [{}])),
        "deadline": await caught(db.run(q.slow())),
        "parameter": await caught(db.run_many(q.add, [{"x": 1}])),
    }
    await db.run(q.add(n=7))
    proxy.cut_at(to_server(b"S"), when="after")
    found["unknown"] = await caught(db.run(q.add(n=8)))
    proxy.commit_answer_lost()
    proxy.refuse()
    found["token"] = await caught(db.run_transaction(lambda tx: tx.run(q.add(n=9)), timeout=300))
    proxy.heal()
    return found


def test_errors_of_calls_travel_with_notes_token_step_and_cause(
    play: Play, q: Any, proxy: Any
) -> None:
    async def story(db: Any) -> dict[str, BaseException]:
        return await errors_of(db, q, proxy)

    for name, error in play(story, proxy.conninfo, pool_size=1).items():
        for way, carried in WAYS.items():
            where = f"{name} by {way}"
            other = carried(error)
            assert type(other) is type(error), where
            assert str(other) == str(error), where
            assert getattr(other, "__notes__", []) == getattr(error, "__notes__", []), where
            assert rx.OutcomeToken.of(other) == rx.OutcomeToken.of(error), where
            assert getattr(other, "sqlstate", None) == getattr(error, "sqlstate", None), where
            step, other_step = StepFailure.of(error), StepFailure.of(other)
            assert (step is None) == (other_step is None), where
            if step is not None and other_step is not None:
                assert (other_step.step, other_step.done["one"]) == (step.step, 1), where
            if isinstance(error, rx.RaxolSQLError):
                assert type(other.__cause__) is type(error.__cause__), where
                assert str(other.__cause__) == str(error.__cause__), where


def test_the_results_of_a_failed_multi_are_there_and_cannot_be_changed(play: Play, q: Any) -> None:
    async def story(db: Any) -> BaseException:
        return await caught(db.run(steps(q, q.fail())))

    found = StepFailure.of(play(story))
    assert found is not None
    assert found.done["row"].a == 1
    assert copy.deepcopy(found).done["row"].a == 1
    with pytest.raises(TypeError):
        found.done["one"] = 2  # type: ignore[index]
    # Its class has no name that another process knows, so it stays behind.
    assert pickle.loads(pickle.dumps(found)).done == {"one": 1}


def test_a_cause_that_does_not_pickle_is_left_out() -> None:
    class Local(Exception):  # noqa: N818
        pass

    for error in (rx.errors.ConfigError("wrong"), rx.DeadlineExceededError("none")):
        error.__cause__ = Local()
        assert pickle.loads(pickle.dumps(error)).__cause__ is None


def test_a_long_chain_of_causes_travels_whole_and_soon() -> None:
    error = first = rx.errors.ConfigError("0")
    for number in range(1, 60):
        error.__cause__ = error = rx.errors.ConfigError(str(number))

    found: BaseException | None = pickle.loads(pickle.dumps(first))
    depth = 0
    while found is not None:
        found, depth = found.__cause__, depth + 1
    assert depth == 60
