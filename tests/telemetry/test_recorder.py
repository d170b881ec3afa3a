"""The recorder adds up what ends, whatever the order and however many names there are."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.telemetry import OperationTimer, Recorder
from raxol_sql.telemetry.metrics import MOST_NAMES, OTHERS

ENDED = st.tuples(
    st.sampled_from(["a.one", "a.two", "b"]),
    st.integers(1, 4),
    st.one_of(st.none(), st.integers(0, 1000)),
    st.one_of(st.none(), st.sampled_from(["conflict", "data"])),
    st.tuples(*[st.floats(0, 10)] * 4),
)


def _watch(recorder: Recorder, name: str) -> OperationTimer:
    return OperationTimer(recorder.add, name, "run")


@given(st.lists(ENDED, max_size=600))
def test_figures_are_the_sums_of_what_ended(ended: list[tuple[object, ...]]) -> None:
    recorder = Recorder()
    calls, rows, retries, errors = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    times = Counter[str]()
    for name, attempts, count, category, spent in ended:  # type: ignore[misc]
        watch = _watch(recorder, name)
        watch.attempts, watch.rows, watch.category = attempts, count, category
        watch.queue, watch.query, watch.decode, watch.paused = spent
        recorder.add(watch)
        calls[name] += 1
        rows[name] += count or 0
        retries[name] += attempts - 1
        errors[name] += category is not None
        times[name] += sum(spent[:3]) + (spent[3] if attempts > 1 else 0)

    _, found = recorder.read(reset=False)

    assert found.keys() == calls.keys()
    for name, one in found.items():
        assert (one.calls, one.rows, one.retries) == (calls[name], rows[name], retries[name])
        assert (one.failed, one.latency.count) == (errors[name], calls[name])
        assert one.latency.sum == pytest.approx(times[name] * 1000)


def test_a_reset_begins_anew_and_gives_what_there_was() -> None:
    recorder = Recorder()
    _watch(recorder, "a").end()

    since, before = recorder.read(reset=True)
    later, after = recorder.read(reset=False)

    assert before["a"].calls == 1
    assert after == {}
    assert later >= since


def test_names_without_end_share_one_after_a_thousand() -> None:
    recorder = Recorder()
    for number in range(MOST_NAMES + 50):
        _watch(recorder, f"made.up_{number}").end()

    _, found = recorder.read(reset=False)

    assert len(found) == MOST_NAMES + 1
    assert found[OTHERS].calls == 50
