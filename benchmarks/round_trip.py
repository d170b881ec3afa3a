"""The round trip of a prepared select as pgbench measures it: a client in C, on the same server."""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

from psycopg import pq

from benchmarks.stage import Stage
from raxol_sql.embedded.binaries import find_binaries
from raxol_sql.errors import EmbeddedError

_LATENCY = re.compile(r"latency average = ([\d.]+) ms")
_LONGEST = 30.0


def find_pgbench() -> str | None:
    """The program that belongs to the embedded server, or the one on PATH; None without either."""
    try:
        beside = Path(find_binaries().program("pgbench"))
    except EmbeddedError:
        return shutil.which("pgbench")
    return str(beside) if os.access(beside, os.X_OK) else shutil.which("pgbench")


def latency(stage: Stage, *, seconds: int, runs: int = 3) -> float | None:
    """
    Microseconds from sending ``users.get`` to the end of its answer, the median of some runs.

    Each run takes ``seconds``. None if there is no pgbench, or if it cannot do it.
    """
    program = find_pgbench()
    if program is None:
        return None
    with tempfile.TemporaryDirectory(prefix="rx-pgbench-") as folder:
        script = Path(folder) / "get.sql"
        script.write_text(f"{stage.text('users.get').named};\n", encoding="utf-8")
        options = ["--no-vacuum", "--protocol=prepared", f"--time={seconds}", "--define=id=7"]
        command = [program, *options, f"--file={script}"]
        found = [_run(command, _surroundings(stage.conninfo)) for _ in range(runs)]
    known = [milliseconds for milliseconds in found if milliseconds is not None]
    return statistics.median(known) * 1000 if known else None


def _run(command: list[str], environment: dict[str, str]) -> float | None:
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=_LONGEST, check=False
    )
    latency = _LATENCY.search(done.stdout)
    return float(latency[1]) if latency and not done.returncode else None


def _surroundings(conninfo: str) -> dict[str, str]:
    """The connection in variables: an argument could be read by everybody."""
    named = {
        option.envvar.decode(): option.val.decode()
        for option in pq.Conninfo.parse(conninfo.encode())
        if option.envvar and option.val
    }
    return {**os.environ, **named}
