"""Exactly once under fire: nothing lost, nothing twice, nothing unknown on a single primary."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from raxol_sql.engine import resolving
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
    **options: Any,
) -> Any:
    """So many faults, or as many as there is time for; gives the bank, the nemesis, the audit."""
    with FaultServer() as server, FaultProxy(server.conninfo(), lifetime=seconds + 120) as proxy:
        bank = opened_bank(server, proxy.conninfo, **options)
        workers = bank.work(blocking=4, tasks=4)
        breaker = nemesis(server, proxy, bank.book, seed)
        end = time.monotonic() + seconds
        try:
            while breaker.total < faults and time.monotonic() < end:
                breaker.strike()
        finally:
            proxy.heal()
            bank.stop.set()
            for worker in workers:
                worker.join(90)
        assert not any(worker.is_alive() for worker in workers), "a caller never came back"
        found = audit(server.conninfo(), bank.book)
        print(
            f"{breaker.total} faults: {dict(breaker.counts)}; {len(bank.book.done)} done, "
            f"{len(bank.book.refused)} refused ({dict(bank.book.errors)}), "
            f"{len(bank.book.unknown)} unknown: {bank.book.unknown}"
        )
    return bank, breaker, found


NOTHING = {"lost": [], "done though refused": [], "unaccounted": [], "out of balance": []}


@pytest.mark.parametrize(("outcome", "faults"), [("xid", 200), ("witness", 60)])
def test_transfers_happen_exactly_once_under_fire(
    opened_bank: Any, nemesis: Any, audit: Any, outcome: str, faults: int
) -> None:
    bank, breaker, found = under_fire(
        opened_bank, nemesis, audit, faults=faults, seconds=110, seed=1, outcome=outcome
    )

    assert found == NOTHING
    assert bank.book.unknown == []
    assert breaker.total == faults
    assert len(bank.book.done) > faults


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
    opened_bank: Any, nemesis: Any, audit: Any
) -> None:
    seconds = float(os.environ.get("RAXOL_SOAK_SECONDS", "1800"))
    seed = int(os.environ.get("RAXOL_SOAK_SEED", str(time.time_ns())))
    print(f"{seconds:g} s with RAXOL_SOAK_SEED={seed}")
    for turn, outcome in enumerate(["xid", "witness"]):
        bank, _, found = under_fire(
            opened_bank,
            nemesis,
            audit,
            faults=10**9,
            seconds=seconds / 2,
            seed=seed + turn,
            outcome=outcome,
        )
        assert found == NOTHING
        assert bank.book.unknown == []
