"""Exactly once under fire: nothing lost, nothing twice, nothing unknown on a single primary."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.engine.transaction import outcome_resolution as resolving
from raxol_sql.failures import Effect
from raxol_sql.testing import FaultProxy, FaultServer


def under_fire(
    opened_bank: Callable[..., Any],
    nemesis: Any,
    audit: Any,
    *,
    faults: int,
    seconds: float,
    seed: int,
    calm: int = 0,
    **options: Any,
) -> Any:
    """
    So many faults, or as many as there is time for; gives the bank, the nemesis, the audit.

    ``calm`` is how many transfers are to be done between two of them.
    """
    with FaultServer() as server, FaultProxy(server.conninfo(), lifetime=seconds + 120) as proxy:
        bank = opened_bank(server, proxy.conninfo, **options)
        workers = bank.work(blocking=4, tasks=4)
        breaker = nemesis(server, proxy, bank.book, seed)
        end = time.monotonic() + seconds
        try:
            while breaker.total < faults and time.monotonic() < end:
                breaker.strike()
                after = len(bank.book.done) + calm
                while len(bank.book.done) < after and time.monotonic() < end:
                    time.sleep(0.01)
        finally:
            proxy.heal()
            bank.stop.set()
            for worker in workers:
                worker.join(90)
        assert not any(worker.is_alive() for worker in workers), "a caller never came back"
        found = audit(server.conninfo(), bank.book)
        found["falsely resolved"] = falsely_resolved(server, bank.book)
        print(
            f"{breaker.total} faults: {dict(breaker.counts)}; {len(bank.book.done)} done, "
            f"{len(bank.book.refused)} refused ({dict(bank.book.errors)}), "
            f"{len(bank.book.unknown)} unknown, "
            f"{sum(token is None for _, token in bank.book.unknown)} of them without a token"
        )
    return bank, breaker, found


def falsely_resolved(server: FaultServer, book: Any) -> list[str]:
    """The transfers whose tokens, asked afterwards, say something else than the ledger."""
    with rx.Database.open(server.conninfo()) as db:
        effects = {
            name: db.resolve(rx.OutcomeToken.from_json(token.to_json()))
            for name, token in book.unknown
            if token is not None
        }
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        entered = {name for (name,) in connection.execute("select id from ledger")}
    return [
        name
        for name, effect in effects.items()
        if effect is not (Effect.COMMITTED if name in entered else Effect.ROLLED_BACK)
    ]


def undocumented(book: Any, page: str) -> list[str]:
    """The unknown outcomes without a token of which docs/failures.md does not say that they are."""
    kinds = re.findall(r"`([^`]+)`", page.split("### Without a token")[1].split("\n#")[0])
    return [
        book.messages[name]
        for name, token in book.unknown
        if token is None and not any(kind in book.messages[name] for kind in kinds)
    ]


NOTHING = {
    "lost": [],
    "done though refused": [],
    "unaccounted": [],
    "out of balance": [],
    "falsely resolved": [],
}
ALL_WAYS = ("run_transaction", "Multi", "run_many", "xid", "xid-first", "marker", "lone")


@pytest.mark.parametrize(("outcome", "faults"), [("xid", 200), ("marker", 60)])
def test_transfers_happen_exactly_once_under_fire(
    opened_bank: Any, nemesis: Any, audit: Any, outcome: str, faults: int
) -> None:
    bank, breaker, found = under_fire(
        opened_bank, nemesis, audit, faults=faults, seconds=110, seed=1, commit_check=outcome
    )

    assert found == NOTHING
    assert bank.book.unknown == []
    assert breaker.total == faults
    assert len(bank.book.done) > faults


def test_every_unknown_outcome_has_a_token_or_is_of_a_kind_that_the_docs_name(
    opened_bank: Any, nemesis: Any, audit: Any, repository: Path
) -> None:
    bank, breaker, found = under_fire(
        opened_bank, nemesis, audit, faults=30, seconds=60, seed=3, ways=ALL_WAYS
    )

    assert found == NOTHING
    assert undocumented(bank.book, (repository / "docs/failures.md").read_text()) == []
    assert len(bank.book.done) > breaker.total > 10


@pytest.mark.parametrize("way", ["xid-first", "marker"])
def test_where_the_id_or_a_row_is_asked_for_every_unknown_outcome_has_a_token(
    opened_bank: Any, nemesis: Any, audit: Any, way: str
) -> None:
    bank, _, found = under_fire(
        opened_bank, nemesis, audit, faults=15, seconds=40, seed=4, ways=(way,)
    )

    assert found == NOTHING
    assert [name for name, token in bank.book.unknown if token is None] == []


@pytest.mark.parametrize(
    ("wrong", "violation"),
    [(Effect.COMMITTED, "lost"), (Effect.ROLLED_BACK, "done though refused")],
)
def test_the_audit_finds_it_if_a_commit_in_doubt_is_guessed_at(
    opened_bank: Any,
    nemesis: Any,
    audit: Any,
    monkeypatch: pytest.MonkeyPatch,
    wrong: Effect,
    violation: str,
) -> None:
    monkeypatch.setattr(resolving, "effect_of", lambda token, seen: wrong)

    _, _, found = under_fire(opened_bank, nemesis, audit, faults=30, seconds=60, seed=2)

    assert found[violation] != []


@pytest.mark.soak
def test_transfers_happen_exactly_once_for_as_long_as_one_likes(
    opened_bank: Any, nemesis: Any, audit: Any, repository: Path
) -> None:
    seconds = float(os.environ.get("RAXOL_SOAK_SECONDS", "1800"))
    seed = int(os.environ.get("RAXOL_SOAK_SEED", str(time.time_ns())))
    calm = int(os.environ.get("RAXOL_SOAK_CALM", "300"))
    print(f"{seconds:g} s with RAXOL_SOAK_SEED={seed}")
    page = (repository / "docs/failures.md").read_text()
    for turn, (outcome, ways) in enumerate(
        [("xid", ("run_transaction",)), ("marker", ("run_transaction",)), ("xid", ALL_WAYS)]
    ):
        bank, _, found = under_fire(
            opened_bank,
            nemesis,
            audit,
            faults=10**9,
            seconds=seconds / 3,
            seed=seed + turn,
            calm=calm,
            commit_check=outcome,
            ways=ways,
        )
        assert found == NOTHING
        assert undocumented(bank.book, page) == []
        if ways != ALL_WAYS:
            assert bank.book.unknown == []
