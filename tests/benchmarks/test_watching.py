"""The price of being watched is measured on calls that are watched, and with what they leave."""

from __future__ import annotations

from pathlib import Path

from benchmarks.burst import Sample
from benchmarks.stage import Stage
from benchmarks.watching.__main__ import CALLS, measured, per_call
from benchmarks.watching.ways import LINES, LOG, METRICS, OFF, OFF_AGAIN, opened, written


def test_every_way_has_as_many_samples_in_each_sitting(stage: Stage) -> None:
    outcome = measured(stage, sittings=2, seconds=0.0)

    assert outcome.samples.keys() == {OFF, OFF_AGAIN, METRICS, LOG, LINES}
    assert {len(sitting) for own in outcome.samples.values() for sitting in own} == {5}
    assert {len(own) for own in outcome.samples.values()} == {2}


def test_the_ways_are_what_they_are_called(stage: Stage, tmp_path: Path) -> None:
    query = stage.queries.users.get
    with opened(stage.conninfo, tmp_path / "log") as ways:
        for db in ways.values():
            db.run(query(id=7))
            written(db)
        counted = {name: len(db.metrics().queries) for name, db in ways.items()}

    assert counted == {OFF: 0, OFF_AGAIN: 0, METRICS: 1, LOG: 1, LINES: 1}
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) == 1
    assert "QUERY OK name=users.get" in lines[0]


def test_a_burst_is_shared_out_among_its_calls() -> None:
    assert per_call(Sample(CALLS * 40.0, CALLS * 20.0)) == Sample(40.0, 20.0)
