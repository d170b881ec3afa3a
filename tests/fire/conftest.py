"""A bank under fire: transfers between accounts while everything around them breaks."""

from __future__ import annotations

import asyncio
import itertools
import random
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.testing import COMMIT, FaultProxy, FaultServer

ACCOUNTS = 20
START = 1000
TABLES = f"""
    create table accounts (id int primary key, balance int not null);
    create table ledger (
        id text primary key, source int not null, target int not null, amount int not null
    );
    insert into accounts select n, {START} from generate_series(1, {ACCOUNTS}) as n;
    create table if not exists raxol_outcomes (
        key uuid primary key,
        is_tombstone boolean not null default false,
        created_at timestamptz not null default now()
    );
"""
QUERIES = """\
    -- name: withdraw :one -> scalar
    update accounts set balance = balance - :amount where id = :id returning balance;
    -- name: deposit :exec
    update accounts set balance = balance + :amount where id = :id;
    -- name: enter :exec
    insert into ledger (id, source, target, amount) values (:id, :source, :target, :amount);
    -- name: transfer :exec
    with moved as (
        update accounts
        set balance = balance + case id when :target then 1 else -1 end * :amount
        where id in (:source, :target)
    )
    insert into ledger (id, source, target, amount) values (:id, :source, :target, :amount);
"""
# Every transfer has a name, so one that happens twice is a violation of the ledger's key, or, if
# that is not noticed, a sum that is wrong.
CHECK = """
    select a.id, a.balance,
        (select coalesce(sum(amount), 0) from ledger where target = a.id)
        - (select coalesce(sum(amount), 0) from ledger where source = a.id)
    from accounts as a
"""


@attrs.define
class Book:
    """What the callers were told of their transfers, to be compared with what is there."""

    done: list[str] = attrs.field(factory=list)
    refused: list[str] = attrs.field(factory=list)
    unknown: list[tuple[str, Any]] = attrs.field(factory=list)
    messages: dict[str, str] = attrs.field(factory=dict)
    errors: Counter[str] = attrs.field(factory=Counter)

    def told(self, name: str, error: BaseException | None) -> None:
        """Takes down what a caller was told."""
        if error is None or isinstance(error, rx.errors.CommittedResultLostError):
            self.done.append(name)
        elif isinstance(error, rx.OutcomeUnknownError):
            self.unknown.append((name, error.token))
            self.messages[name] = str(error)
        else:
            self.refused.append(name)
            self.errors[type(error).__name__] += 1


@attrs.frozen
class Transfer:
    """One transfer: the same function for either colour, but for what has to be awaited."""

    name: str
    source: int
    target: int
    amount: int

    @classmethod
    def drawn(cls, name: str, chance: random.Random) -> Transfer:
        source, target = chance.sample(range(1, ACCOUNTS + 1), 2)
        return cls(name, source, target, chance.randint(1, 9))

    @property
    def row(self) -> dict[str, Any]:
        """The arguments of the one statement that does all of it."""
        return {"id": self.name, **attrs.asdict(self, filter=lambda f, _: f.name != "name")}

    def by(self, way: str, db: Any, q: Any) -> Any:
        """Does it in one of the ways that take one call; to be awaited in the one colour."""
        if way == "Multi":
            multi = rx.Multi()
            for number, bound in enumerate(self.bounds(q)):
                multi = multi.add(str(number), bound)
            return db.run(multi)
        if way == "run_many":
            return db.run_many(q.transfer, [self.row])
        return db.run(q.transfer(**self.row), commit_check=None if way == "lone" else way)

    def bounds(self, q: Any) -> list[Any]:
        return [
            q.withdraw(id=self.source, amount=self.amount),
            q.deposit(id=self.target, amount=self.amount),
            q.enter(id=self.name, source=self.source, target=self.target, amount=self.amount),
        ]


@attrs.frozen
class Bank:
    """Runs workers of both colours until it is told to stop."""

    conninfo: str
    queries: Any
    book: Book = attrs.field(factory=Book)
    stop: threading.Event = attrs.field(factory=threading.Event)
    options: dict[str, Any] = attrs.field(factory=dict)
    ways: tuple[str, ...] = ("run_transaction",)
    numbers: Iterator[int] = attrs.field(factory=itertools.count)

    def work(self, blocking: int, tasks: int) -> list[threading.Thread]:
        """Threads that transfer: so many of the blocking colour, and one with so many tasks."""
        workers = [threading.Thread(target=self._block, args=(n,)) for n in range(blocking)]
        workers.append(threading.Thread(target=lambda: asyncio.run(self._loop(tasks))))
        for worker in workers:
            worker.start()
        return workers

    def _block(self, number: int) -> None:
        chance = random.Random(number)
        with rx.Database.open(self.conninfo, pool_size=2, timeout=60_000) as db:
            while not self.stop.is_set():
                transfer = Transfer.drawn(f"b{number}-{next(self.numbers)}", chance)

                def move(tx: Any, transfer: Transfer = transfer) -> None:
                    for bound in transfer.bounds(self.queries):
                        tx.run(bound)

                try:
                    if (way := chance.choice(self.ways)) == "run_transaction":
                        db.run_transaction(move, isolation="serializable", **self.options)
                    else:
                        transfer.by(way, db, self.queries)
                except (psycopg.Error, rx.errors.CommittedResultLostError) as error:
                    self.book.told(transfer.name, error)
                else:
                    self.book.told(transfer.name, None)

    async def _loop(self, tasks: int) -> None:
        async with rx.AsyncDatabase.open(self.conninfo, pool_size=tasks, timeout=60_000) as db:
            await asyncio.gather(*(self._task(db, number) for number in range(tasks)))

    async def _task(self, db: rx.AsyncDatabase, number: int) -> None:
        chance = random.Random(100 + number)
        while not self.stop.is_set():
            transfer = Transfer.drawn(f"a{number}-{next(self.numbers)}", chance)

            async def move(tx: Any, transfer: Transfer = transfer) -> None:
                for bound in transfer.bounds(self.queries):
                    await tx.run(bound)

            try:
                if (way := chance.choice(self.ways)) == "run_transaction":
                    await db.run_transaction(move, isolation="serializable", **self.options)
                else:
                    await transfer.by(way, db, self.queries)
            except (psycopg.Error, rx.errors.CommittedResultLostError) as error:
                self.book.told(transfer.name, error)
            else:
                self.book.told(transfer.name, None)


def until(condition: Callable[[], bool]) -> None:
    """Waits for a condition, for half a minute at most."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.005)


class Nemesis:
    """Breaks things, one after another, at random moments; half of it is aimed at a COMMIT."""

    def __init__(self, server: FaultServer, proxy: FaultProxy, book: Book, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self._book = book
        self._server = server
        self._proxy = proxy
        self._chance = random.Random(seed)

    def strike(self) -> None:
        """One fault, and whatever it takes to have the server there again."""
        at_commit = self.total % 2 == 0
        kinds = self._at_commit() if at_commit else self._anywhere()
        name, act = self._chance.choice(kinds)
        # Many a line is cut for one server that is killed: that costs a second each time.
        if name.startswith("kill") and self._chance.random() < 0.6:
            name, act = kinds[0]
        before = len(self._book.done)
        act()
        self.counts[name] += 1
        if name.startswith(("kill", "crash")):
            # Of a life of the server that nobody saw, nobody can tell which ids it gave again.
            until(lambda: len(self._book.done) > before)

    @property
    def total(self) -> int:
        """How many faults there were."""
        return sum(self.counts.values())

    def _at_commit(self) -> list[tuple[str, Callable[[], object]]]:
        return [
            ("commit never delivered", lambda: self._cut("before", "cut")),
            ("commit answer cut", lambda: self._cut("after", "cut")),
            ("commit answer reset", lambda: self._cut("after", "reset")),
            ("kill in commit", lambda: self._kill(wait_for_commit=True)),
            ("crash in commit", self._crash),
        ]

    def _anywhere(self) -> list[tuple[str, Callable[[], object]]]:
        return [
            ("cut", lambda: (self._pause(), self._proxy.cut())),
            ("reset", lambda: (self._pause(), self._proxy.reset())),
            ("terminate", lambda: (self._pause(), self._terminate())),
            ("kill", lambda: self._kill(wait_for_commit=False)),
        ]

    def _pause(self) -> None:
        time.sleep(self._chance.random() * 0.03)

    def _cut(self, when: Any, how: Any) -> None:
        fired = self._proxy.cut_at(COMMIT, when=when, how=how, nth=self._chance.randint(1, 4))
        fired.wait(20)

    def _terminate(self) -> None:
        pid = self._chance.choice(self._server.backends("raxol_sql") or [0])
        self._server.ask("select pg_terminate_backend(%s)", pid)

    def _crash(self) -> None:
        # A session of its own, because one of the others may leave by itself just now.
        victim = psycopg.connect(self._server.conninfo())
        self._server.crash_backend(victim.info.backend_pid)
        victim.close()

    def _kill(self, *, wait_for_commit: bool) -> None:
        if wait_for_commit:
            # The proxy says when one passes; from there to the kill it is some microseconds.
            seen = self._proxy.cut_at(COMMIT, when="before", how="freeze", nth=1)
            seen.wait(20)
            self._proxy.heal()
        else:
            self._pause()
        self._server.kill()
        self._server.start()


@pytest.fixture
def bank_queries(tmp_path: Any) -> Any:
    """The queries of the bank."""
    (tmp_path / "bank.sql").write_text(textwrap.dedent(QUERIES))
    return rx.load(tmp_path).bank


@pytest.fixture
def opened_bank(bank_queries: Any) -> Callable[..., Bank]:
    """Gives a bank on a server, at an address, with options for its transactions."""

    def opened(server: FaultServer, conninfo: str, **options: Any) -> Bank:
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            connection.execute(TABLES)
        ways = options.pop("ways", ("run_transaction",))
        return Bank(conninfo, bank_queries, options=options, ways=ways)

    return opened


@pytest.fixture
def nemesis() -> type[Nemesis]:
    """What breaks things."""
    return Nemesis


@pytest.fixture
def audit() -> Callable[[str, Book], dict[str, list[str]]]:
    """Compares what the callers were told with the ledger; gives what does not agree, by kind."""

    def audited(conninfo: str, book: Book) -> dict[str, list[str]]:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            entered = Counter(name for (name,) in connection.execute("select id from ledger"))
            balances = connection.execute(CHECK).fetchall()
        unknown = [name for name, _ in book.unknown]
        return {
            "lost": sorted(set(book.done) - entered.keys()),
            "done though refused": sorted(set(book.refused) & entered.keys()),
            "unaccounted": sorted(entered.keys() - {*book.done, *book.refused, *unknown}),
            "out of balance": [
                str(id_) for id_, balance, moved in balances if balance - START != moved
            ],
        }

    return audited
