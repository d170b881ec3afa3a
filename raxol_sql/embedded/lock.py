"""A lock that one process or thread at a time holds, and that dies with its holder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from raxol_sql.embedded.deadline import Timer
from raxol_sql.errors import EmbeddedError

if sys.platform != "win32":  # Importing has to work there: only starting a server says no.
    import fcntl


@contextmanager
def locked(path: Path, deadline: Timer) -> Iterator[None]:
    """
    Hold the lock on the file ``path``, which is made if it is missing.

    Raises ``EmbeddedError`` if another process holds it until ``deadline``. Not reentrant.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        if not deadline.wait_until(lambda: _taken(descriptor)):
            raise EmbeddedError(
                f"{path} is locked: another process is starting or stopping this server; "
                "wait for it, or give this one more time"
            )
        try:
            yield
        finally:
            # Closing would not do: a child forked since then still holds the same open file.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
