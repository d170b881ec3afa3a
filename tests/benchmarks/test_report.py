"""What a run leaves behind: tables, JSON and a picture."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import psycopg
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.__main__ import exit_code, main
from benchmarks.burst import Sample
from benchmarks.chart import SHOWN, WIDTH, duration, svg
from benchmarks.figures import Outcome, Spread
from benchmarks.results import Results
from benchmarks.stage import Stage
from benchmarks.tables import aligned, memory_table, outcome_table, target_table
from benchmarks.targets import Target, Verdict
from benchmarks.texts import Text

SVG = "{http://www.w3.org/2000/svg}"
# What XML can hold at all.
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1)
TIMES = st.floats(0.1, 1e6)
TARGET = Target("one-row", "raxol_sql", "psycopg", "wall", 0.5)


def _results(outcome: Outcome, ratio: Spread | None = None) -> Results:
    return Results({"python": "CPython"}, [outcome], [Verdict(TARGET, ratio)], {}, 40.0)


def _outcome(walls: dict[str, float]) -> Outcome:
    samples = {name: [[Sample(wall, wall / 2)]] for name, wall in walls.items()}
    return Outcome(SHOWN[0], "one row", next(iter(walls)), samples)


@given(st.dictionaries(NAMES, TIMES, min_size=1, max_size=20))
def test_the_picture_is_xml_in_which_every_bar_has_its_room(walls: dict[str, float]) -> None:
    picture = ElementTree.fromstring(svg(_results(_outcome(walls))))

    bars = [one for one in picture.iter(f"{SVG}rect") if one.get("height") == "14"]
    texts = [one.text for one in picture.iter(f"{SVG}text")]
    height = float(picture.attrib["height"])
    assert len(bars) == 2 * len(walls)
    assert all(float(one.attrib["x"]) + float(one.attrib["width"]) < WIDTH - 100 for one in bars)
    assert all(float(one.attrib["y"]) + 14 < height for one in bars)
    assert [name for name in walls if name not in texts] == []


def test_bars_are_as_long_as_the_times_and_ours_stand_out() -> None:
    picture = ElementTree.fromstring(svg(_results(_outcome({"psycopg": 100, "raxol_sql": 25}))))

    bars = [one.attrib for one in picture.iter(f"{SVG}rect") if one.get("height") == "14"]

    assert [one["class"] for one in bars] == ["wall", "cpu", "wall ours", "cpu ours"]
    longest = float(bars[0]["width"])
    assert [float(one["width"]) / longest for one in bars] == pytest.approx([1, 0.5, 0.25, 0.125])


def test_the_picture_has_colours_for_light_and_for_dark_ground() -> None:
    picture = svg(_results(_outcome({"raxol_sql": 1.0})))

    assert "@media (prefers-color-scheme: dark)" in picture
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize(
    ("microseconds", "shown"),
    [(0.4, "0 µs"), (62.4, "62 µs"), (1_234, "1.2 ms"), (99_940, "99.9 ms"), (1.5e6, "1,500 ms")],
)
def test_a_duration_is_shown_in_the_unit_that_suits_it(microseconds: float, shown: str) -> None:
    assert duration(microseconds) == shown


@given(st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=1))
def test_columns_stand_below_each_other(rows: list[tuple[str, str, str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    lines = [line.ljust(sum(widths) + 6) for line in aligned(rows)]

    for line, row in zip(lines, rows, strict=True):
        assert line.startswith(f"  {row[0]}")
        assert line[: 4 + widths[0] + widths[1]].rstrip().endswith(row[1].rstrip())


def test_throughput_and_latencies_are_shown_where_many_call_at_once() -> None:
    alone = outcome_table(_outcome({"raxol_sql": 50.0}))
    samples = {"raxol_sql": [[Sample(50, 40, 300, 900)]]}
    many = Outcome("threads", "by threads", "raxol_sql", samples)

    assert "p99" not in alone
    assert outcome_table(many).splitlines()[1].split()[-3:] == ["calls/s", "p50", "p99"]
    assert outcome_table(many).splitlines()[2].split()[-3:] == ["20,000", "300", "900"]


def test_a_table_without_its_yardstick_has_no_ratios() -> None:
    outcome = Outcome("rows", "rows", "asyncpg", {"raxol_sql": [[Sample(50, 40)]]})

    assert outcome_table(outcome).splitlines()[2].split() == ["raxol_sql", "50.0", "40.0"]


def test_targets_are_shown_with_what_was_measured_and_its_bounds() -> None:
    verdicts = [Verdict(TARGET, Spread(0.75, 0.7, 0.8)), Verdict(TARGET, None)]

    head, missed, absent = target_table(verdicts).splitlines()

    assert head == "targets"
    assert missed.endswith("wall  <= 0.50  0.75 (0.70 to 0.80)  missed")
    assert absent.endswith("not measured")


def test_memory_is_shown_in_bytes() -> None:
    assert memory_table({"raxol_sql": 581.4}).splitlines()[1] == "  raxol_sql  581"


@pytest.mark.parametrize(("median", "code"), [(0.75, 1), (0.25, 0), (None, 0)])
def test_only_a_target_that_was_measured_and_missed_is_a_failure(
    median: float | None, code: int
) -> None:
    ratio = None if median is None else Spread(median, median, median)

    assert exit_code([Verdict(TARGET, ratio)]) == code


def test_json_has_every_figure_with_its_bounds() -> None:
    outcome = _outcome({"psycopg": 100.0, "raxol_sql": 25.0})

    told = json.loads(_results(outcome, Spread(0.25, 0.2, 0.3)).json())

    (work,) = told["works"]
    assert work["contenders"]["raxol_sql"]["wall"] == {"median": 25, "low": 25, "high": 25}
    assert work["contenders"]["raxol_sql"]["cpu_ratio"]["median"] == 0.25
    assert told["targets"][0]["verdict"] == "met"
    assert told["targets"][0]["ratio"] == {"median": 0.25, "low": 0.2, "high": 0.3}
    assert told["pgbench_round_trip"] == 40


def test_a_text_is_written_as_each_library_wants_it() -> None:
    text = Text("update t set a = $1 where b = $2 and a <> $1", ("age", "id"))

    assert text.named == "update t set a = :age where b = :id and a <> :age"
    assert text.pyformat == "update t set a = %(age)s where b = %(id)s and a <> %(age)s"
    assert text.positional == "update t set a = %s where b = %s and a <> %s"


def test_a_run_prints_its_tables_writes_its_files_and_drops_its_database(
    stage: Stage, tmp_path: Path
) -> None:
    picture, figures = tmp_path / "run.svg", tmp_path / "run.json"
    arguments = ["--url", stage.conninfo, "--quick", "--rounds", "1", "--works", "columns-1"]

    done = CliRunner().invoke(main, [*arguments, "--svg", str(picture), "--json", str(figures)])

    assert done.exit_code == 0, done.output
    assert "a row of 1 column into a record: µs a call, 1 round\n" in done.output
    assert ElementTree.fromstring(picture.read_text("utf-8")).tag == f"{SVG}svg"
    told = json.loads(figures.read_text("utf-8"))
    assert [work["key"] for work in told["works"]] == ["columns-1"]
    assert told["where"]["connection"] == "Unix socket"
    assert _databases(stage) == 0


def test_a_work_that_there_is_not_is_answered_with_those_that_there_are() -> None:
    done = CliRunner().invoke(main, ["--works", "rows,nothing"])

    assert done.exit_code == 2
    assert "nothing: the works are one-row, " in done.output


def _databases(stage: Stage) -> int:
    with psycopg.connect(stage.conninfo) as connection:
        row = connection.execute(
            "select count(*) from pg_database where datname like 'raxol_bench%'"
        ).fetchone()
    return int(row[0]) if row else 0
