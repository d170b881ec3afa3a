"""A count of deadlocks in a file, with which the next one is compared."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from datetime import datetime
from pathlib import Path

import attrs

from raxol_sql.ops.locks.deadlocks import DeadlockCount

_FORMAT = "raxol_sql deadlocks 1"


def read_baseline(path: Path) -> DeadlockCount | None:
    """
    The count in a file, None where there is no file.

    Raises ValueError for a file that holds something else, and OSError where it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        kept = json.loads(text)
        if kept.pop("format") != _FORMAT:
            raise ValueError("another format")
        since = kept.pop("since")
        count = DeadlockCount(
            **kept, since=None if since is None else datetime.fromisoformat(since)
        )
        numbers = (count.deadlocks, count.oid, count.system_identifier)
        if not all(type(number) is int for number in numbers):
            raise TypeError("a count is a number")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} holds no count of deadlocks: name another file, or remove it"
        ) from error
    return count


def write_baseline(path: Path, count: DeadlockCount) -> None:
    """
    Keeps a count in a file, which has the old one or the new one whatever happens.

    Raises OSError.
    """
    kept = {"format": _FORMAT, **attrs.asdict(count)}
    kept["since"] = None if count.since is None else count.since.isoformat()
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(kept, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
