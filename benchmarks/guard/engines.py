"""The engines to compare, each in its own process: the current one, and an older one."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs

import raxol_sql as rx
from benchmarks.burst import Sample
from benchmarks.stage import FOLDER

CHECKOUT = FOLDER.parent
_LONGEST = 60.0


class EngineError(Exception):
    """An engine could not be built, or failed."""


@attrs.frozen
class Engine:
    """The raxol_sql in a ``folder``; ``name`` is what tables call it."""

    name: str
    folder: Path


class Worker:
    """A process with an engine, which waits for orders. Made by `working`."""

    def __init__(self, engine: Engine, process: subprocess.Popen[str], conninfo: str) -> None:
        self._process = process
        self._engine = engine
        told = self._ask(conninfo)
        if Path(told["engine"]) != engine.folder:
            raise EngineError(f"{engine.name}: imported from {told['engine']}")
        self.gives: dict[str, str] = told["gives"]

    def burst(self, way: str) -> Sample:
        """What a burst of calls takes that go this way."""
        return Sample(**self._ask(way))

    def _ask(self, order: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # what it says last is why it has ended
            self._process.stdin.write(f"{order}\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            _, problem = self._process.communicate(timeout=_LONGEST)
            raise EngineError(f"{self._engine.name}: {problem.strip()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def current() -> Engine:
    """The one that is imported here."""
    return Engine("now", Path(rx.__file__).resolve().parent.parent)


@contextmanager
def extracted(revision: str, checkout: Path = CHECKOUT) -> Iterator[Engine]:
    """
    The one of a revision of the checkout, in a temporary folder.

    It comes with the benchmarks of that revision, which know its names.
    Raises `EngineError` where there is no such revision, no history at all, or no git.
    """
    if shutil.which("git") is None:
        raise EngineError(f"{revision}: there is no git to get it")
    done = subprocess.run(
        ["git", "archive", "--format=tar", revision, "raxol_sql", "benchmarks"],
        cwd=checkout,
        capture_output=True,
        timeout=_LONGEST,
        check=False,
    )
    if done.returncode:
        raise EngineError(f"{revision}: {done.stderr.decode(errors='replace').strip()}")
    with tempfile.TemporaryDirectory(prefix="rx-before-") as name:
        folder = Path(name).resolve()
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")
        yield Engine(revision, folder)


@contextmanager
def working(engine: Engine, conninfo: str) -> Iterator[Worker]:
    """Start a process with an engine, connected and ready; it ends with the block."""
    paths = [str(engine.folder), str(CHECKOUT)]
    process = subprocess.Popen(
        # -P leaves out the working directory, which may contain another raxol_sql.
        [sys.executable, "-P", "-m", "benchmarks.guard.worker"],
        # The same for all: in the checkout there is a configuration, and elsewhere there is not.
        cwd=tempfile.gettempdir(),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Worker(engine, process, conninfo)
        finally:
            # Its orders come to an end, and so does it, unless it is stuck.
            assert process.stdin is not None
            with suppress(BrokenPipeError):
                process.stdin.close()
            try:
                process.wait(_LONGEST)
            except subprocess.TimeoutExpired:
                process.kill()
