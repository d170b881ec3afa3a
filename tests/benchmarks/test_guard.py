"""What is said of the price of safety: differences within a round, of the same calls."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import subprocess
from pathlib import Path
from time import monotonic

import attrs
import psycopg
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.burst import Sample
from benchmarks.contest import UnequalError
from benchmarks.figures import Outcome, Spread
from benchmarks.guard import contest, ways, worker
from benchmarks.guard.__main__ import exit_code, main
from benchmarks.guard.contest import Length, check_equal, measured
from benchmarks.guard.costs import LIMIT, Cost, cost_table, costs, time_table
from benchmarks.guard.engines import Engine, EngineError, current, extracted, working
from benchmarks.stage import Stage

_OTHERS = """
    select count(*) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()
        and backend_type = 'client backend'
"""
TIMES = st.integers(0, 10**6).map(float)
ROUNDS = st.lists(st.tuples(TIMES, TIMES, TIMES), min_size=1)
NOW, BEFORE = Engine("now", Path("now")), Engine("9860a0e", Path("before"))


def _outcome(**walls: list[list[float]]) -> Outcome:
    samples = {
        name: [[Sample(wall, wall / 2) for wall in sitting] for sitting in sittings]
        for name, sittings in walls.items()
    }
    return Outcome("guard", "one row", next(iter(walls)), samples)


def _all_take(**named: float) -> Outcome:
    """An outcome in which each way takes so much through the engine of this or that name."""
    samples = {
        contest.label(way, engine): [[Sample(10, 10 + named.get(engine.folder.name, 0))]]
        for pair in ways.COLOURS.values()
        for way in pair
        for engine in (NOW, BEFORE)
    }
    return Outcome("guard", "one row", next(iter(samples)), samples)


@given(ROUNDS)
def test_a_difference_is_taken_within_the_round_so_that_a_slow_one_spoils_nothing(
    rounds: list[tuple[float, float, float]],
) -> None:
    # The machine is slower by something in each round, for both.
    outcome = _outcome(
        more=[[5 + slow for slow, _, _ in rounds]], less=[[2 + slow for slow, _, _ in rounds]]
    )

    assert outcome.sum({"more": 1, "less": -1}, "wall") == Spread(3, 3, 3)
    assert outcome.sum({"more": 1, "less": -1}, "cpu") == Spread(1.5, 1.5, 1.5)


@given(ROUNDS)
def test_nobody_takes_more_than_itself(rounds: list[tuple[float, float, float]]) -> None:
    walls = [first for first, _, _ in rounds]
    outcome = _outcome(one=[walls], same=[walls])

    assert outcome.sum({"one": 1, "same": -1}, "wall") == Spread(0, 0, 0)
    assert outcome.sum_of_least({"one": 1, "same": -1}, "wall") == Spread(0, 0, 0)


@given(ROUNDS)
def test_what_is_summed_once_is_what_it_takes(rounds: list[tuple[float, float, float]]) -> None:
    outcome = _outcome(one=[[first for first, _, _ in rounds]] * 3)

    assert outcome.sum({"one": 1}, "wall") == outcome.spread("one", "wall")


@given(st.lists(ROUNDS, min_size=1))
def test_the_least_are_those_of_a_sitting_and_a_sitting_counts_once(
    sittings: list[list[tuple[float, float, float]]],
) -> None:
    outcome = _outcome(
        one=[[a for a, _, _ in rounds] for rounds in sittings],
        other=[[b for _, b, _ in rounds] for rounds in sittings],
    )

    found = outcome.sum_of_least({"one": 1, "other": -1}, "wall")

    assert found == Spread.of(
        [min(a for a, _, _ in rounds) - min(b for _, b, _ in rounds) for rounds in sittings]
    )


def test_without_an_engine_of_before_only_what_is_around_the_statement_can_be_told() -> None:
    found = costs(NOW, None)

    assert [one.title for one in found] == [
        "blocking, around the statement, now",
        "asyncio, around the statement, now",
    ]
    assert not any(one.is_limited for one in found)


def test_all_costs_are_differences_of_contenders_that_there_are() -> None:
    outcome = _all_take()
    found = costs(NOW, BEFORE)

    assert all(sum(one.weights.values()) == 0 for one in found)
    assert all(outcome.samples.keys() >= one.weights.keys() for one in found)
    assert len({one.title for one in found}) == len(found)


def test_what_is_added_around_the_statement_and_to_it_is_what_is_added_in_all() -> None:
    for colour in ways.COLOURS:
        _, _, around, inside, in_all = (one for one in costs(NOW, BEFORE) if colour in one.title)
        parts = {
            name: around.weights.get(name, 0) + inside.weights.get(name, 0)
            for name in around.weights
        }

        assert {name: weight for name, weight in parts.items() if weight} == in_all.weights


@pytest.mark.parametrize(
    ("added", "word"), [(LIMIT, "kept"), (LIMIT + 0.01, "missed"), (-1.0, "kept")]
)
def test_a_limit_is_kept_up_to_itself_and_what_is_added_is_judged_in_each_colour(
    added: float, word: str
) -> None:
    outcome = _all_take(now=added)
    judged = [one for one in costs(NOW, BEFORE) if one.is_limited]

    assert [one.title for one in judged] == ["blocking, added in all", "asyncio, added in all"]
    assert [one.word(outcome).split(", ")[1] for one in judged] == [f"3 µs {word}"] * 2
    assert [one.is_kept(outcome) for one in judged] == [word == "kept"] * 2
    assert exit_code(outcome, costs(NOW, BEFORE)) == (0 if word == "kept" else 1)


def test_it_is_judged_by_what_it_costs_at_best_as_a_loud_machine_makes_all_of_it_more() -> None:
    quiet, loud = [[10.0, 20.0]] * 3, [[10.0, 30.0]] * 3
    cost = Cost("added", {"ours": 1, "theirs": -1}, is_limited=True)
    outcome = _outcome(ours=[[12.0, 40.0]] * 3, theirs=quiet)

    assert outcome.sum(cost.weights, "cpu").median > LIMIT
    assert cost.word(outcome) == "(1.0 to 1.0), 3 µs kept"
    assert not cost.is_kept(_outcome(ours=[[20.0, 30.0]] * 3, theirs=loud))


def test_a_cost_without_a_limit_is_never_too_much() -> None:
    cost = Cost("all of it", {"Database.run, now": 1})

    assert cost.is_kept(_all_take(now=1e6))
    assert cost.word(_all_take(now=1e6)) == ""


def test_tables_have_bounds_the_least_and_a_word_for_what_is_limited() -> None:
    outcome = _all_take(now=4.5)

    times = time_table(outcome).splitlines()
    told = cost_table(outcome, costs(NOW, BEFORE)).splitlines()

    assert times[0] == "one row: µs a call, 1 round"
    assert " ".join(times[2].split()) == (
        "Database.run, now 10.0 (10.0 to 10.0) 10.0 14.5 (14.5 to 14.5) 14.5"
    )
    assert told[6].endswith(
        "0.0  (0.0 to 0.0)    0.0  4.5  (4.5 to 4.5)    4.5  (4.5 to 4.5), 3 µs missed"
    )
    assert len(told) == 2 + 10


def test_whoever_gives_something_else_is_named() -> None:
    check_equal([("one", "user 7"), ("other", "user 7")])

    with pytest.raises(UnequalError, match="third gives user 8, and one user 7"):
        check_equal([("one", "user 7"), ("other", "user 7"), ("third", "user 8")])


def test_every_way_through_every_engine_has_a_burst_in_each_round_of_each_sitting(
    stage: Stage,
) -> None:
    engines = [current(), attrs.evolve(current(), name="the same")]

    outcome = measured(engines, stage.conninfo, Length(sittings=2, seconds=0, least=2))

    names = {name for pair in ways.COLOURS.values() for name in pair}
    assert outcome.samples.keys() == {contest.label(n, e) for n in names for e in engines}
    assert {(len(own), *map(len, own)) for own in outcome.samples.values()} == {(2, 2, 2)}
    assert all(
        sample.wall > 0 < sample.cpu
        for own in outcome.samples.values()
        for taken in own
        for sample in taken
    )
    _wait_until_nobody_is_connected(stage)


def test_a_worker_gives_the_same_in_all_ways_and_a_sample_for_each_order(stage: Stage) -> None:
    names = [name for pair in ways.COLOURS.values() for name in pair]
    orders, told = io.StringIO("\n".join([stage.conninfo, *names, names[0]])), io.StringIO()

    asyncio.run(worker.serve(orders, told))

    first, *samples = map(json.loads, told.getvalue().splitlines())
    assert first["engine"] == str(current().folder)
    assert list(first["gives"]) == names
    (given,) = set(first["gives"].values())
    assert given.startswith("User(id=7,")
    assert [sample.keys() for sample in samples] == [attrs.asdict(Sample(1, 1)).keys()] * 5
    _wait_until_nobody_is_connected(stage)


def test_an_engine_that_is_not_where_it_should_be_is_not_measured_as_that(
    stage: Stage, tmp_path: Path
) -> None:
    missing = Engine("missing", tmp_path)

    with (
        pytest.raises(EngineError, match="missing: imported from "),
        working(missing, stage.conninfo),
    ):
        pytest.fail("it was taken for another one")


def test_a_worker_that_fails_says_why(stage: Stage) -> None:
    nowhere = f"{stage.conninfo} dbname=raxol_no_such_database"

    with (
        pytest.raises(EngineError, match='database "raxol_no_such_database" does not exist'),
        working(current(), nowhere),
    ):
        pytest.fail("it was connected to nothing")


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")
def test_the_engine_of_a_revision_is_the_one_that_was_committed(tmp_path: Path) -> None:
    module = tmp_path / "raxol_sql" / "__init__.py"
    module.parent.mkdir()
    module.write_text("committed = True\n")
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").touch()
    named = ["-c", "user.name=Tester", "-c", "user.email=tester@example.com"]
    for command in (["init", "-q"], ["add", "."], [*named, "commit", "-q", "-m", "one"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True, timeout=60)
    module.write_text("committed = False\n")

    with extracted("HEAD", tmp_path) as engine:
        found = engine.folder / "raxol_sql" / "__init__.py"
        assert (engine.name, found.read_text()) == ("HEAD", "committed = True\n")

    assert not engine.folder.exists()
    with pytest.raises(EngineError, match="nothing: "), extracted("nothing", tmp_path):
        pytest.fail("there is no such revision")


def test_a_checkout_without_a_history_has_no_engine_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    with pytest.raises(EngineError, match="HEAD: "), extracted("HEAD", tmp_path):
        pytest.fail("there is no history")


def test_without_git_there_is_no_engine_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(EngineError, match="HEAD: there is no git"), extracted("HEAD", tmp_path):
        pytest.fail("there is no git")


def test_a_run_tells_what_is_around_the_statement_and_drops_its_database(stage: Stage) -> None:
    done = CliRunner().invoke(main, ["--url", stage.conninfo, "--sittings", "1", "--seconds", "0"])

    assert done.exit_code == 0, done.output
    assert "one row by primary key: µs a call, 5 rounds\n" in done.output
    assert "  blocking, around the statement, now " in done.output
    assert "kept" not in done.output
    assert "missed" not in done.output
    assert _databases(stage) == 0


def test_the_limit_can_only_be_checked_next_to_an_engine_of_before() -> None:
    done = CliRunner().invoke(main, ["--check"])

    assert done.exit_code == 2
    assert "--check needs --before" in done.output


def _databases(stage: Stage) -> int:
    return _count(stage, "select count(*) from pg_database where datname like 'raxol_guard%'")


def _wait_until_nobody_is_connected(stage: Stage) -> None:
    # A server notices a moment later that somebody has gone.
    end = monotonic() + 20
    while _count(stage, _OTHERS):
        assert monotonic() < end, "somebody is still connected"


def _count(stage: Stage, query: str) -> int:
    with psycopg.connect(stage.conninfo) as connection:
        row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
