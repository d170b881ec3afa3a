"""Every work, done once by each contender that is installed, with the same outcome."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import pytest

from benchmarks import memory, round_trip
from benchmarks.contender import BlockingPeer, Contender, Peer, contends
from benchmarks.contest import Patience, UnequalError, can_run, measured, opened
from benchmarks.peers import PEERS
from benchmarks.peers.raxol import Raxol
from benchmarks.stage import Sizes, Stage
from benchmarks.targets import TARGETS
from benchmarks.work import COLUMNS, Work, works

KEYS = [work.key for work in works(Sizes())]
ONE_ROUND = Patience(0.0, 1, 1)


def _work(stage: Stage, key: str) -> Work:
    (work,) = (one for one in works(stage.sizes) if one.key == key)
    # Few calls: a burst of many is for the clock, and not for what comes of it.
    return attrs.evolve(work, calls=2, warm_up=1)


class Liar(BlockingPeer):
    """Knows a user by the wrong name."""

    def open(self, stack: object) -> None:
        """Nothing: it makes the user up."""

    @contends("liar", "one-row")
    def get(self) -> object:
        return "user 8"


class Idler(BlockingPeer):
    """Says that it has written, and has not."""

    def open(self, stack: object) -> None:
        """Nothing: it writes nowhere."""

    @contends("idler", "inserts")
    def insert(self) -> None:
        """Nothing."""


class Absent(Liar):
    """Needs a library that nobody has."""

    needs = ("no_such_library",)


@pytest.mark.parametrize("key", KEYS)
def test_all_who_do_a_work_come_to_the_same_and_are_timed(stage: Stage, key: str) -> None:
    work = _work(stage, key)
    if not can_run(work):
        pytest.skip("uvloop is not installed")

    outcome = measured(work, stage, PEERS, ONE_ROUND)

    expected = [name for peer in PEERS if not peer.missing() for name in peer.names(key)]
    samples = [sample for ((sample,),) in outcome.samples.values()]
    assert list(outcome.samples) == expected != []
    assert all(sample.wall > 0 <= sample.cpu for sample in samples)
    concurrent = bool(work.threads or work.tasks)
    assert all((sample.p99 is not None) == concurrent for sample in samples)


@pytest.mark.parametrize(("liar", "key"), [(Liar, "one-row"), (Idler, "inserts")])
def test_nobody_is_timed_who_comes_to_something_else(
    stage: Stage, liar: type[Peer], key: str
) -> None:
    (name,) = liar.names(key)
    with (
        opened(_work(stage, key), stage, [Raxol, liar]) as contest,
        pytest.raises(UnequalError, match=f"{name} gives"),
    ):
        contest.check()


def test_who_is_not_installed_takes_no_part(stage: Stage) -> None:
    assert Absent.missing() == ["no_such_library"]
    with opened(_work(stage, "one-row"), stage, [Absent]) as contest:
        assert contest.contenders == ()


def test_only_one_contender_is_connected_where_one_is_named(stage: Stage) -> None:
    with opened(_work(stage, "one-row"), stage, [Liar, Raxol], only="raxol_sql") as contest:
        assert [one.name for one in contest.contenders] == ["raxol_sql"]


@pytest.mark.parametrize(
    ("patience", "sittings"),
    [
        (Patience(0.0, 3, 9), [3]),
        (Patience(60.0, 1, 4), [4]),
        (Patience(0.0, 3, 3, sittings=3), [1, 1, 1]),
        (Patience(0.0, 5, 9, sittings=2), [3, 3]),
        (Patience(60.0, 1, 2, sittings=9), [1, 1]),
    ],
)
def test_as_many_rounds_are_made_as_there_is_patience_for(
    stage: Stage, patience: Patience, sittings: list[int]
) -> None:
    outcome = measured(_work(stage, "one-row"), stage, [Raxol], patience)

    assert [len(sitting) for sitting in outcome.samples["raxol_sql"]] == sittings
    assert outcome.rounds == sum(sittings)


def test_the_time_of_a_work_is_shared_among_its_sittings(stage: Stage) -> None:
    work = attrs.evolve(_work(stage, "one-row"), share=0.5, sittings=4)

    assert Patience(12.0, 8, 100, sittings=6).parts(work) == [Patience(1.5, 2, 25)] * 4


def _marks() -> Iterator[tuple[type[Peer], str]]:
    for peer in PEERS:
        for method in vars(peer).values():
            for mark in getattr(method, "__contends__", ()):
                yield from ((peer, work) for work in mark.works)


def test_no_contender_waits_for_a_work_that_there_is_not() -> None:
    assert {work for _, work in _marks()} == {*KEYS}


def test_names_differ_within_a_work() -> None:
    for key in KEYS:
        names = [name for peer in PEERS for name in peer.names(key)]

        assert len(names) == len({*names}), key


def test_yardsticks_and_targets_are_of_contenders_that_there_are() -> None:
    names = {key: {name for peer in PEERS for name in peer.names(key)} for key in KEYS}

    assert [work.key for work in works(Sizes()) if work.yardstick not in names[work.key]] == []
    assert [one for one in TARGETS if not {one.name, one.other} <= names[one.work]] == []


def test_columns_are_counted_in_the_title() -> None:
    titles = [work.title for work in works(Sizes()) if work.key.startswith("columns")]

    assert len(titles) == len(COLUMNS)
    assert titles[:2] == ["a row of 1 column into a record", "a row of 5 columns into a record"]


def test_a_contender_without_arguments_is_the_method_itself(stage: Stage) -> None:
    peer = Liar(stage)

    assert [*peer.contenders("one-row", None)] == [
        Contender("liar", peer.get, peer.read, is_async=False)
    ]


@pytest.mark.skipif(not memory.can_measure(), reason="only Linux tells the peak of a process")
def test_the_memory_of_rows_is_that_of_a_process_that_reads_them(stage: Stage) -> None:
    long = attrs.evolve(stage, sizes=attrs.evolve(stage.sizes, long=60))

    peaks = memory.peaks(long, [Raxol])

    assert list(peaks) == ["raxol_sql"]
    assert peaks["raxol_sql"] >= 0


@pytest.mark.skipif(round_trip.find_pgbench() is None, reason="there is no pgbench here")
def test_pgbench_measures_the_round_trip_of_the_same_query(stage: Stage) -> None:
    latency = round_trip.latency(stage, seconds=1, runs=1)

    assert latency is not None
    assert 0 < latency < 100_000
