"""How much memory many rows take until all are records, each contender in a new process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import attrs
import click

from benchmarks.contender import Peer
from benchmarks.contest import opened
from benchmarks.peers import PEERS
from benchmarks.stage import FOLDER, Sizes, Stage
from benchmarks.work import Work, works

KEY = "memory"
MEASURED = "many-rows"
"""The work that it is the memory of."""

_STATUS = Path("/proc/self/status")
_FORGET = Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"
_LONGEST = 120.0


class MemoryMeasuringError(Exception):
    """A process that was to be measured failed."""


def can_measure() -> bool:
    """Whether the kernel says of a process what its peak was, and lets it be forgotten: Linux."""
    return _STATUS.exists() and _FORGET.exists()


def peaks(stage: Stage, peers: Iterable[type[Peer]] = PEERS) -> dict[str, float]:
    """
    The bytes a row by which a process grows at its peak, for each contender, by its name.

    It is resident memory: what Python knows of (tracemalloc) leaves out what libpq holds. Raises
    `MemoryMeasuringError`.
    """
    names = [name for kind in peers if not kind.missing() for name in kind.names(MEASURED)]
    return {name: _in_new_process(stage, name) / stage.sizes.long for name in names}


def _in_new_process(stage: Stage, name: str) -> int:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", name, str(stage.sizes.long)],
        input=stage.conninfo,  # not an argument, which everybody could read
        cwd=FOLDER.parent,
        capture_output=True,
        text=True,
        timeout=_LONGEST,
        check=False,
    )
    if done.returncode:
        raise MemoryMeasuringError(f"{name}: {done.stderr}")
    return int(done.stdout)


def growth(stage: Stage, name: str) -> int:
    """The bytes that this process, which should be a new one, grows by at its peak."""
    with opened(_work(10), stage, PEERS, only=name) as contest:
        contest.check()  # What is loaded and made only once is there after it.
    with opened(_work(stage.sizes.long), stage, PEERS, only=name) as contest:
        (contender,) = contest.contenders
        _FORGET.write_text(_FORGET_PEAK)
        before = _kilobytes("VmRSS")
        contest.once(contender)
        return (_kilobytes("VmHWM") - before) * 1024


def _work(rows: int) -> Work:
    (work,) = (one for one in works(Sizes()) if one.key == MEASURED)
    return attrs.evolve(work, size=rows)


def _kilobytes(name: str) -> int:
    (line,) = (one for one in _STATUS.read_text().splitlines() if one.startswith(f"{name}:"))
    return int(line.split()[1])


@click.command()
@click.argument("name")
@click.argument("rows", type=int)
def main(name: str, rows: int) -> None:
    """Prints the growth for one contender; the connection string is read from standard input."""
    conninfo = sys.stdin.read()
    click.echo(growth(Stage(conninfo, Sizes(long=rows)), name))


if __name__ == "__main__":
    main()
