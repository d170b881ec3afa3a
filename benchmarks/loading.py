"""How long loading 1,000 queries takes, next to other loaders: ``python -m benchmarks.loading``."""

from __future__ import annotations

import importlib
import importlib.util
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import click

FILES = 50
QUERIES = 20
TOTAL = FILES * QUERIES
ROUNDS = 7
PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")


@attrs.frozen
class Shape:
    """A query's kind, and its text with ``#`` where a number makes it one of many."""

    kind: str
    text: str


STATIC = (
    Shape(
        "maybe",
        """\
-- One order by primary key, with the customer it belongs to.
select
    orders_#.id,
    orders_#.placed_at,
    orders_#.total::numeric(12, 2) as total,
    customers.email
from orders_#
join customers on customers.id = orders_#.customer_id
where orders_#.id = :id;
""",
    ),
    Shape(
        "many",
        """\
-- What was sold in a span of days, by product, the most sold first.
with sold as (
    select product_id, sum(quantity) as pieces, sum(quantity * price) as turnover
    from order_lines_#
    where placed_at >= :since and placed_at < :until
    group by product_id
)
select products.name, sold.pieces, sold.turnover, rank() over (order by turnover desc) as place
from sold
join products on products.id = sold.product_id
order by place, products.name;
""",
    ),
    Shape(
        "one",
        """\
-- The totals of a customer; what was cancelled does not count.
select
    count(*) as orders,
    coalesce(sum(total), 0) as turnover,
    min(placed_at) as first_order,
    max(placed_at) as last_order
from orders_#
where customer_id = :customer_id
    and state <> 'cancelled'
    and placed_at > timestamptz '2020-01-01 00:00:00+00';
""",
    ),
    Shape(
        "affected",
        """\
-- Marks orders as sent, and leaves alone those that are.
update orders_#
set
    state = 'sent',
    sent_at = now(),
    note = coalesce(note, '') || :note
where id = any(:ids)
    and state = 'packed';
""",
    ),
)

DYNAMIC = (
    Shape(
        "many",
        """\
-- Orders by any combination of filters, a page at a time.
select id, customer_id, state, total, placed_at
from orders_#
where true
    /*? customer_id */ and customer_id = :customer_id /*?*/
    /*? min_total */ and total >= :min_total /*?*/
    /*? states */ and state = any(:states) /*?*/
order by /*= sort: newest: placed_at desc, id desc | total: total desc, id */ id /*=*/
limit :limit;
""",
    ),
    Shape(
        "maybe",
        """\
-- Changes what is given, and leaves the rest; no row, no change.
update customers_#
set
    updated_at = now()
    /*? email */ , email = :email /*?*/
    /*? name */ , name = :name /*?*/
    /*? active */ , active = :active /*?*/
where id = :id
returning id, email, name, active, updated_at;
""",
    ),
)

# One query in five is dynamic, as in the repository's own sql/.
TREES = {"one in five dynamic": (*STATIC, DYNAMIC[0], *STATIC, DYNAMIC[1]), "all dynamic": DYNAMIC}


@attrs.frozen
class Dialect:
    """How a library wants the header of a query, by kind; and whether it has dynamic queries."""

    headers: dict[str, str]
    dynamic: bool = False

    def query(self, name: str, shape: Shape, number: int) -> str:
        """
        The text of one query.

        A library without dynamic queries gets the same statement with everything in it.
        """
        text = shape.text.replace("#", str(number))
        if not self.dynamic:
            text = re.sub(r" ?/\*[?=].*?\*/", "", text)
        parameters = ", ".join(dict.fromkeys(PARAMETER.findall(text)))
        header = self.headers[shape.kind].format(name=name, parameters=parameters)
        return f"{header}\n{text}\n"


COLON = {kind: f"-- :name {{name}} :{kind}" for kind in ("one", "many", "affected")}
DIALECTS = {
    "raxol_sql": Dialect(
        {kind: f"-- name: {{name}} :{kind}" for kind in ("one", "maybe", "many", "affected")},
        dynamic=True,
    ),
    "aiosql": Dialect(
        {
            "one": "-- name: {name}({parameters})^",
            "maybe": "-- name: {name}({parameters})^",
            "many": "-- name: {name}({parameters})",
            "affected": "-- name: {name}({parameters})!",
        }
    ),
    "anosql": Dialect(
        {
            "one": "-- name: {name}",
            "maybe": "-- name: {name}",
            "many": "-- name: {name}",
            "affected": "-- name: {name}!",
        }
    ),
    "pugsql": Dialect({**COLON, "maybe": COLON["one"]}),
}

# What a library is called with after it was imported, and the names of the queries it has then.
LOADERS: dict[str, Callable[[Any, str], Iterator[str]]] = {
    "raxol_sql": lambda library, folder: (name.rpartition(".")[2] for name in library.load(folder)),
    "aiosql": lambda library, folder: iter(library.from_path(folder, "psycopg").available_queries),
    "anosql": lambda library, folder: iter(library.from_path(folder, "psycopg2").available_queries),
    "pugsql": lambda library, folder: (one.name for one in library.module(folder)),
}


def write_tree(folder: Path, shapes: tuple[Shape, ...], dialect: Dialect) -> None:
    """Fills ``folder`` with the files of one library; names are unique, as pugsql wants them."""
    folder.mkdir(parents=True)
    for file in range(FILES):
        numbers = range(file * QUERIES, (file + 1) * QUERIES)
        texts = [
            dialect.query(f"query_{number}", shapes[number % len(shapes)], number)
            for number in numbers
        ]
        (folder / f"file_{file}.sql").write_text("\n".join(texts), encoding="utf-8")


def load_once(library: str, folder: str) -> tuple[float, float]:
    """
    Milliseconds on the clock and of CPU of the first load in this process.

    The import of the library is over by then.
    """
    module = importlib.import_module(library)
    wall, cpu = time.perf_counter(), time.process_time()
    names = LOADERS[library](module, folder)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    loaded = set(names) & {f"query_{number}" for number in range(TOTAL)}
    if len(loaded) != TOTAL:
        raise click.ClickException(f"{library} loaded {len(loaded)} queries, and not {TOTAL}")
    return wall * 1000, cpu * 1000


def load_in_new_process(library: str, folder: Path) -> tuple[float, float]:
    command = [sys.executable, "-m", "benchmarks.loading", "--once", library, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise click.ClickException(f"{library}: {done.stderr}")
    wall, cpu = done.stdout.split()
    return float(wall), float(cpu)


def compare(libraries: list[str], folder: Path, shapes: tuple[Shape, ...]) -> None:
    """
    Prints a line for each of the ``libraries``, which are loaded in turn.

    The ratio is of the CPU times of one round, because others may be using the machine.
    """
    for library in libraries:
        write_tree(folder / library, shapes, DIALECTS[library])
    walls: dict[str, list[float]] = {library: [] for library in libraries}
    cpus: dict[str, list[float]] = {library: [] for library in libraries}
    for _ in range(ROUNDS):
        for library in libraries:
            wall, cpu = load_in_new_process(library, folder / library)
            walls[library].append(wall)
            cpus[library].append(cpu)
    for library in libraries:
        ratios = [cpu / ours for cpu, ours in zip(cpus[library], cpus["raxol_sql"], strict=True)]
        wall, least = statistics.median(walls[library]), min(walls[library])
        cpu, ratio = statistics.median(cpus[library]), statistics.median(ratios)
        click.echo(f"  {library:<10} {wall:8.1f} {least:8.1f} {cpu:8.1f} {ratio:8.2f}")


@click.command()
@click.option("--once", nargs=2, hidden=True)
def main(once: tuple[str, str] | None) -> None:
    """
    Loads 1,000 queries with raxol_sql and with what of its peers is installed.

    Each load is the first of a new process; the import of the library is not counted.
    """
    if once:
        wall, cpu = load_once(*once)
        click.echo(f"{wall} {cpu}")
        return
    libraries = [library for library in LOADERS if importlib.util.find_spec(library)]
    absent = LOADERS.keys() - set(libraries)
    if absent:
        click.echo(f"not installed: {', '.join(sorted(absent))}")
    with tempfile.TemporaryDirectory(prefix="rx-loading-") as folder:
        for index, (name, shapes) in enumerate(TREES.items()):
            click.echo(f"{TOTAL} queries in {FILES} files, {name}: ms of {ROUNDS} loads")
            click.echo(f"  {'':<10} {'median':>8} {'least':>8} {'CPU':>8} {'ratio':>8}")
            compare(libraries, Path(folder) / str(index), shapes)


if __name__ == "__main__":
    main()
