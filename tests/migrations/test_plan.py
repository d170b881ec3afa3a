"""Plans are decided from the files and the history alone."""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime, timedelta
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.errors import (
    IrreversibleError,
    MigrationChangedError,
    MigrationError,
    MigrationMissingError,
)
from raxol_sql.migrations import Migrations, MigrationState
from raxol_sql.migrations.folder import MigrationFile, Statement
from raxol_sql.migrations.plan import (
    History,
    LedgerRow,
    plan_apply,
    plan_rollback,
    statuses,
)

NOON = datetime(2026, 1, 1, 12)
IDS = [f"{number:04}-m" for number in range(1, 7)]


def file(migration_id: str, *, content_hash: str = "h", reversible: bool = True) -> MigrationFile:
    statement = Statement("select 1;", 1)
    return MigrationFile(
        id=migration_id,
        path=Path("migrations") / f"{migration_id}.sql",
        depends=frozenset(),
        transactional=True,
        statements=(statement,),
        rollback=(statement,) if reversible else (),
        content_hash=content_hash,
        rollback_hash="r",
    )


def history(*applied: str, verified: bool = True) -> History:
    marks = {one: NOON + timedelta(hours=at) for at, one in enumerate(applied)}
    rows = {one: LedgerRow(one, "h", "r", at) for one, at in marks.items()} if verified else {}
    return History(marks, rows)


@given(st.sets(st.sampled_from(IDS)), st.sets(st.sampled_from(IDS), min_size=1))
def test_what_is_pending_and_what_is_marked_are_the_whole_folder(
    applied: Set[str], present: Set[str]
) -> None:
    files = [file(one) for one in sorted(present)]
    known = history(*sorted(applied & present))

    pending = [one.id for one in plan_apply(files, known).pending]

    assert pending == sorted(pending)
    assert set(pending) | known.marks.keys() == present
    assert not set(pending) & known.marks.keys()


@given(st.sets(st.sampled_from(IDS)), st.sets(st.sampled_from(IDS), min_size=1))
def test_every_file_and_every_mark_has_exactly_one_status(
    applied: Set[str], present: Set[str]
) -> None:
    shown = [one.id for one in statuses([file(one) for one in present], history(*applied))]

    assert sorted(shown) == sorted(applied | present)


@given(st.sets(st.sampled_from(IDS)), st.integers(1, 8))
def test_a_rollback_takes_the_last_ones_backwards(applied: Set[str], steps: int) -> None:
    chosen = plan_rollback([file(one) for one in IDS], history(*applied), steps)

    assert [one.id for one in chosen] == sorted(applied, reverse=True)[:steps]


def test_to_is_the_last_one_by_id_or_number() -> None:
    files = [file(one) for one in IDS]

    by_id = plan_apply(files, history(), to="0003-m").pending
    by_number = plan_apply(files, history(), to="0003").pending

    assert [one.id for one in by_id] == IDS[:3]
    assert by_id == by_number


def test_an_unknown_to_is_an_error() -> None:
    with pytest.raises(MigrationError, match="no migration 0009"):
        plan_apply([file("0001-m")], history(), to="0009")
    with pytest.raises(MigrationError, match="no migration 0009"):
        plan_rollback([file("0001-m")], history(), None, to="0009")


@given(
    st.sets(st.sampled_from(IDS)), st.none() | st.sampled_from(IDS), st.none() | st.integers(1, 8)
)
def test_so_many_steps_are_the_first_of_what_is_pending(
    applied: Set[str], to: str | None, steps: int | None
) -> None:
    files, known = [file(one) for one in IDS], history(*sorted(applied))

    everything = plan_apply(files, known, to=to).pending

    assert plan_apply(files, known, to=to, steps=steps).pending == everything[:steps]


@given(st.integers(1, 8))
def test_step_after_step_everything_gets_applied_in_order(steps: int) -> None:
    files = [file(one) for one in IDS]

    applied: list[str] = []
    while pending := plan_apply(files, history(*applied), steps=steps).pending:
        applied += [one.id for one in pending]

    assert applied == IDS


@pytest.mark.parametrize("steps", [0, -1])
def test_less_than_one_step_is_refused_before_anything_is_looked_at(steps: int) -> None:
    nowhere = Migrations("host=127.0.0.1 port=1", Path("nosuch"))

    for call in (nowhere.rollback, nowhere.would_roll_back):
        with pytest.raises(ValueError, match=f"steps is 1 or more, not {steps}"):
            call(steps)
    for apply in (nowhere.apply, nowhere.would_apply):
        with pytest.raises(ValueError, match=f"steps is 1 or more, not {steps}"):
            apply(steps=steps)


def test_what_is_to_be_recorded_does_not_depend_on_the_steps() -> None:
    files = [file(one) for one in IDS]
    known = history(*IDS[:3], verified=False)

    assert [one.id for one in plan_apply(files, known, steps=1).adopt] == IDS[:3]


@given(st.sets(st.sampled_from(IDS)), st.sampled_from(IDS), st.none() | st.integers(1, 8))
def test_a_rollback_to_one_takes_it_and_all_applied_ones_after_it_backwards(
    applied: Set[str], to: str, steps: int | None
) -> None:
    files, known = [file(one) for one in IDS], history(*sorted(applied))

    by_id = plan_rollback(files, known, steps, to=to)

    assert [one.id for one in by_id] == sorted((id_ for id_ in applied if id_ >= to), reverse=True)
    assert plan_rollback(files, known, steps, to=to[:4]) == by_id


@given(st.sets(st.sampled_from(IDS), min_size=1), st.sampled_from(IDS), st.data())
def test_a_rollback_to_one_passes_over_no_missing_migration(
    applied: Set[str], to: str, data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(sorted(applied)))
    files = [file(one) for one in IDS if one != gone]
    known = history(*sorted(applied))

    if gone < to:
        chosen = plan_rollback(files, known, None, to=to)
        assert {one.id for one in chosen} == {id_ for id_ in applied if id_ >= to}
    else:
        with pytest.raises(MigrationMissingError, match=gone):
            plan_rollback(files, known, None, to=to)


def test_a_rollback_to_one_is_refused_whole_if_one_on_the_way_is_irreversible() -> None:
    files = [file("0001-m", reversible=False), file("0002-m", reversible=False), file("0003-m")]
    known = history("0001-m", "0002-m", "0003-m")

    with pytest.raises(IrreversibleError, match="0002-m is irreversible"):
        plan_rollback(files, known, None, to="0002")
    assert [one.id for one in plan_rollback(files, known, None, to="0003")] == ["0003-m"]


def test_a_hash_of_another_mark_is_not_trusted() -> None:
    stale = History(
        {"0001-m": NOON}, {"0001-m": LedgerRow("0001-m", "old", "r", NOON - timedelta(1))}
    )

    (shown,) = statuses([file("0001-m")], stale)

    assert shown.state is MigrationState.UNVERIFIED
    assert [one.id for one in plan_apply([file("0001-m")], stale).adopt] == ["0001-m"]


def test_an_edited_migration_refuses_everything_until_it_is_accepted() -> None:
    files = [file("0001-m", content_hash="other"), file("0002-m")]

    with pytest.raises(MigrationChangedError, match=r"0001-m\.sql; nothing was applied"):
        plan_apply(files, history("0001-m"))
    plan = plan_apply(files, history("0001-m"), accept_changed=True)

    assert [one.id for one in plan.adopt] == ["0001-m"]
    assert [one.id for one in plan.pending] == ["0002-m"]


def test_a_lost_file_stops_everything_until_it_is_accepted() -> None:
    files = [file("0002-m"), file("0003-m", content_hash="new")]
    known = history("0001-m", "0002-m")

    with pytest.raises(MigrationMissingError, match="0001-m is applied and has no file") as caught:
        plan_apply(files, known)
    assert "raxol-sql migrate --accept 0001-m" in str(caught.value)
    with pytest.raises(MigrationMissingError):
        plan_apply(files[:1], known)
    plan = plan_apply(files, known, accept=["0001"])

    assert plan.removed == ("0001-m",)
    assert [one.id for one in plan.pending] == ["0003-m"]


def test_a_loss_that_was_accepted_stops_nothing_afterwards() -> None:
    known = History({"0001-m": NOON}, {"0001-m": LedgerRow("0001-m", "", None, NOON, None, True)})

    assert [one.id for one in plan_apply([file("0002-m")], known).pending] == ["0002-m"]
    assert [one.state for one in statuses([file("0002-m")], known)] == [
        "pending",
        "applied, file removed and accepted",
    ]


def test_an_older_release_runs_on_a_newer_database_where_it_is_told_to() -> None:
    files, known = [file("0001-m")], history("0001-m", "0002-m")

    assert not plan_apply(files, known, ignore_missing=True)
    with pytest.raises(MigrationMissingError, match="--ignore-missing"):
        plan_apply(files, known)


def test_a_missing_migration_after_a_pending_one_makes_the_history_uncertain() -> None:
    files = [file("0001-m"), file("0002-m", content_hash="new")]

    for options in ({}, {"ignore_missing": True}):
        with pytest.raises(MigrationMissingError, match="0003-m is applied and has no file"):
            plan_apply(files, history("0001-m", "0003-m"), **options)


def test_a_renamed_file_is_never_applied_again() -> None:
    files, known = [file("0001-m"), file("0003-m")], history("0001-m", "0002-m")

    for options in ({}, {"ignore_missing": True}, {"accept_changed": True}):
        with pytest.raises(MigrationMissingError, match=r"0003-m\.sql has the same SQL") as caught:
            plan_apply(files, known, **options)
        assert "raxol-sql migrate --accept 0003-m" in str(caught.value)
    for name in ("0003-m", "0003", "0003-m.sql", "0002-m"):
        plan = plan_apply(files, known, accept=[name])
        assert [(new.id, old) for new, old in plan.renamed] == [("0003-m", "0002-m")]
        assert (plan.pending, plan.removed) == ((), ())


def test_a_copy_of_a_migration_whose_file_is_there_is_a_migration_like_any_other() -> None:
    files = [file("0001-m"), file("0002-m")]

    assert [one.id for one in plan_apply(files, history("0001-m")).pending] == ["0002-m"]


def test_a_number_names_the_one_that_there_is_something_to_accept_of() -> None:
    # 0002-m got the number 0003, because another one took its own.
    files = [file("0002-other", content_hash="new"), file("0003-m")]

    plan = plan_apply(files, history("0002-m"), accept=["0002"])

    assert [(new.id, old) for new, old in plan.renamed] == [("0003-m", "0002-m")]
    assert [one.id for one in plan.pending] == ["0002-other"]


def test_of_two_renamed_files_each_keeps_its_words() -> None:
    files = [file("0003-b"), file("0004-a")]

    plan = plan_apply(files, history("0001-a", "0002-b"), accept=["0003", "0004"])

    assert {(new.id, old) for new, old in plan.renamed} == {
        ("0003-b", "0002-b"),
        ("0004-a", "0001-a"),
    }


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("0009", "there is no migration 0009"),
        ("0002-m", "0002-m is not applied"),
        ("", "there is no migration"),
    ],
)
def test_what_cannot_be_accepted_is_an_error(name: str, words: str) -> None:
    with pytest.raises(MigrationError, match=words):
        plan_apply([file("0001-m"), file("0002-m")], history("0001-m"), accept=[name])


def test_accepting_what_is_as_recorded_changes_nothing() -> None:
    assert not plan_apply([file("0001-m")], history("0001-m"), accept=["0001-m"])


def test_an_edit_of_comments_alone_is_a_warning() -> None:
    edited = attrs.evolve(file("0001-m", content_hash="other"), code_hash="c")
    known = History({"0001-m": NOON}, {"0001-m": LedgerRow("0001-m", "h", "r", NOON, "c")})

    plan = plan_apply([edited], known)
    assert not plan
    assert "raxol-sql migrate --accept 0001-m" in plan.warnings[0]
    accepted = plan_apply([edited], known, accept=["0001-m"])
    assert ([one.id for one in accepted.adopt], accepted.warnings) == (["0001-m"], ())


def test_a_rollback_does_not_pass_over_a_missing_migration() -> None:
    files = [file("0001-m"), file("0002-m")]

    with pytest.raises(MigrationMissingError, match="0003-m"):
        plan_rollback(files, history("0001-m", "0003-m"), 1)
    with pytest.raises(MigrationMissingError, match="0000-m"):
        plan_rollback(files, history("0000-m", "0001-m"), None)
    assert [one.id for one in plan_rollback(files, history("0000-m", "0001-m"), 1)] == ["0001-m"]


def test_one_irreversible_migration_refuses_the_whole_rollback() -> None:
    files = [file("0001-m", reversible=False), file("0002-m")]

    with pytest.raises(IrreversibleError, match="0001-m is irreversible"):
        plan_rollback(files, history("0001-m", "0002-m"), 2)
    assert len(plan_rollback(files, history("0001-m", "0002-m"), 1)) == 1


def test_a_changed_rollback_file_is_shown_and_refuses_nothing() -> None:
    known = History({"0001-m": NOON}, {"0001-m": LedgerRow("0001-m", "h", None, NOON)})

    (shown,) = statuses([file("0001-m")], known)

    assert (shown.state, shown.rollback_edited) == (MigrationState.APPLIED, True)
    assert not plan_apply([file("0001-m")], known)
