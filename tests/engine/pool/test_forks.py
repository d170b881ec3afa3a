"""Processes that are forked with a database open: nobody gets what was meant for another."""

from __future__ import annotations

from typing import Any

# In a child: a hundred calls, each of which is answered by a connection of the child's own.
HUNDRED = """\
def hundred(db, parents):
    wrong = 0
    for turn in range(100):
        n = os.getpid() * 1000 + turn
        wrong += db.run(q.echo(n=n)) != n
    return wrong + (db.run(q.me()) in parents)

def ended(children):
    for pid in children:
        end = time.monotonic() + 15
        while True:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                break
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                status = "hung"
                break
            time.sleep(0.005)
        yield status
"""


def test_a_child_gets_its_own_connections_and_the_parent_keeps_its_own(
    program: Any, accounts_database: str
) -> None:
    """A thousand calls in ten children, and the parent's own at the same time: no wrong row."""
    text = (
        HUNDRED
        + """\
db = rx.Database.open(sys.argv[1], pool_size=3, pool_min_size=3)
def pids():
    with db.transaction() as one, db.transaction() as two, db.transaction() as three:
        return {one.run(q.me()), two.run(q.me()), three.run(q.me())}
def closed(wrong):
    db.close()
    sys.exit(wrong)
def killed(wrong):
    os.kill(os.getpid(), signal.SIGKILL) if not wrong else os._exit(1)
mine, children = pids(), []
for end in [os._exit, sys.exit, closed, killed, sys.exit] * 2:
    pid = os.fork()
    if not pid:
        end(hundred(db, mine))
    children.append(pid)
    hundred(db, set())
print(sorted(ended(children)))
print(mine == pids())
db.close()
"""
    )
    assert program(text, accounts_database) == [f"{[0] * 8 + [9] * 2}", "True"]


def test_a_fork_in_the_middle_of_the_calls_of_threads_is_as_safe(
    program: Any, accounts_database: str
) -> None:
    text = (
        HUNDRED
        + """\
db = rx.Database.open(sys.argv[1], pool_size=4, pool_min_size=2)
over, counts, errors = threading.Event(), [], []
def work(worker):
    turn = 0
    try:
        while not over.is_set():
            n = worker * 1_000_000 + turn
            if turn % 3 == 0:
                with db.transaction() as tx:
                    assert tx.run(q.echo(n=n)) == n
            assert db.run(q.echo(n=n)) == n
            turn += 1
    except BaseException as error:
        errors.append(error)
    counts.append(turn)
threads = [threading.Thread(target=work, args=(worker,)) for worker in range(6)]
for thread in threads:
    thread.start()
statuses = []
for turn in range(6):
    time.sleep(0.01)
    pid = os.fork()
    if not pid:
        wrong = hundred(db, set())
        if turn % 3 == 0:
            db.close()
        if turn % 3 == 1:
            os._exit(wrong)
        sys.exit(wrong)
    statuses += ended([pid])
over.set()
for thread in threads:
    thread.join()
print(statuses, errors, min(counts) > 0)
db.close()
"""
    )
    assert program(text, accounts_database) == [f"{[0] * 6} [] True"]


def test_the_threads_of_a_child_may_begin_together(program: Any, accounts_database: str) -> None:
    text = (
        HUNDRED
        + """\
from concurrent.futures import ThreadPoolExecutor
db = rx.Database.open(sys.argv[1], pool_size=4)
assert db.run(q.echo(n=1)) == 1
children = []
for _ in range(5):
    pid = os.fork()
    if not pid:
        gate = threading.Barrier(8)
        def call(n):
            gate.wait(10)
            return db.run(q.echo(n=n))
        with ThreadPoolExecutor(8) as threads:
            right = list(threads.map(call, range(8))) == list(range(8))
        os._exit(not right)
    children.append(pid)
print(list(ended(children)), db.run(q.echo(n=2)))
db.close()
"""
    )
    assert program(text, accounts_database) == ["[0, 0, 0, 0, 0] 2"]


def test_a_child_that_uses_nothing_says_no_goodbye_for_the_parent(
    program: Any, accounts_database: str
) -> None:
    text = (
        HUNDRED
        + """\
db = rx.Database.open(sys.argv[1], pool_size=2, pool_min_size=2)
before = db.run(q.me())
children = []
for end in (lambda: os._exit(0), lambda: sys.exit(0), lambda: (db.close(), sys.exit(0))):
    pid = os.fork()
    if not pid:
        gc.collect()
        end()
    children.append(pid)
print(list(ended(children)))
print(db.run(q.me()) == before, hundred(db, set()))
db.close()
"""
    )
    assert program(text, accounts_database) == ["[0, 0, 0]", "True 0"]


def test_a_transaction_of_the_parent_is_not_the_childs(
    program: Any, accounts_database: str, notes: Any
) -> None:
    """Neither what the child does in it nor its end reaches the parent's line."""
    text = (
        HUNDRED
        + """\
db = rx.Database.open(sys.argv[1], pool_size=1, pool_min_size=1)
with db.transaction() as tx:
    tx.run(q.put(n=1))
    pid = os.fork()
    if not pid:
        try:
            tx.run(q.put(n=2))
        except psycopg.OperationalError:
            os._exit(hundred(db, set()))
        os._exit(7)
    print(list(ended([pid])))
    tx.run(q.put(n=3))
db.close()
with rx.Database.open(sys.argv[1], pool_size=1, pool_min_size=1) as db:
    try:
        with db.transaction() as tx:
            tx.run(q.put(n=4))
            pid = os.fork()
    except psycopg.OperationalError:
        os._exit(hundred(db, set()))
    print(list(ended([pid])), hundred(db, set()))
"""
    )
    assert program(text, accounts_database) == ["[0]", "[0] 0"]
    assert notes() == [1, 3, 4]


def test_the_child_of_a_child_is_as_safe(program: Any, accounts_database: str) -> None:
    text = (
        HUNDRED
        + """\
db = rx.Database.open(sys.argv[1], pool_size=2)
mine = {db.run(q.me())}
pid = os.fork()
if not pid:
    wrong = hundred(db, mine)
    own = {db.run(q.me())}
    pid = os.fork()
    if not pid:
        os._exit(hundred(db, mine | own))
    (status,) = ended([pid])
    os._exit(wrong + (status != 0) + hundred(db, mine))
print(list(ended([pid])), hundred(db, set()))
db.close()
"""
    )
    assert program(text, accounts_database) == ["[0] 0"]


def test_a_database_that_was_closed_before_the_fork_stays_closed(
    program: Any, accounts_database: str
) -> None:
    text = (
        HUNDRED
        + """\
from psycopg_pool import PoolClosed
db = rx.Database.open(sys.argv[1], pool_size=2)
db.close()
pid = os.fork()
if not pid:
    try:
        db.run(q.echo(n=1))
    except PoolClosed:
        os._exit(0)
    os._exit(1)
print(list(ended([pid])))
"""
    )
    assert program(text, accounts_database) == ["[0]"]


def test_a_child_whose_server_is_away_waits_for_it(program: Any, accounts_database: str) -> None:
    text = (
        HUNDRED
        + """\
from raxol_sql.testing import FaultProxy
with FaultProxy(sys.argv[1]) as proxy:
    db = rx.Database.open(proxy.conninfo, pool_size=2, timeout=5000)
    proxy.refuse()
    pid = os.fork()
    if not pid:
        os._exit(hundred(db, set()))
    time.sleep(0.5)
    proxy.heal()
    print(list(ended([pid])), hundred(db, set()))
    db.close()
"""
    )
    assert program(text, accounts_database) == ["[0] 0"]


def test_for_asyncio_the_child_is_told_to_open_one_of_its_own(
    program: Any, accounts_database: str
) -> None:
    text = (
        HUNDRED
        + """\
async def ask(db):
    return await db.run(q.echo(n=5))

async def own():
    async with rx.AsyncDatabase.open(sys.argv[1], pool_size=1) as db:
        return await ask(db)

def in_child(db):
    for work in (lambda: ask(db), lambda: ask(db)):
        try:
            asyncio.run(work())
        except rx.errors.ForkedError as error:
            assert f"is process {os.getpid()}, forked from it" in str(error), error
        else:
            return 1
    return asyncio.run(own()) != 5

async def main():
    async with rx.AsyncDatabase.open(sys.argv[1], pool_size=2, pool_min_size=2) as db:
        calls = [asyncio.create_task(db.run(q.nap(n=n, seconds=0.2))) for n in range(2)]
        await asyncio.sleep(0.05)
        pid = os.fork()
        if not pid:
            asyncio._set_running_loop(None)
            os._exit(in_child(db))
        print(list(ended([pid])), await asyncio.gather(*calls))
        print([await db.run(q.echo(n=n)) for n in range(3)])
asyncio.run(main())
"""
    )
    assert program(text, accounts_database) == ["[0] [0, 1]", "[0, 1, 2]"]
