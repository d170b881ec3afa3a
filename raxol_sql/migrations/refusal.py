"""Refusals of the server that no file is to blame for: a lesser role, and a standby."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.errors import InsufficientPrivilege, ReadOnlySqlTransaction

__all__ = ["NO_WRITES", "explained_refusals"]

NO_RIGHT = (
    "this role may not read or write how the migrations stand: run it as the role that migrates, or"
    " grant it the rights on _yoyo_migration, _yoyo_log, _yoyo_version, yoyo_lock, _raxol_migration"
    " and _raxol_lock"
)
NO_WRITES = (
    "the server takes no writes: it is a standby, or default_transaction_read_only is on. Give the"
    " address of the primary"
)


@contextmanager
def explained_refusals() -> Iterator[None]:
    """Add to such an error of the driver what to do about it."""
    try:
        yield
    except InsufficientPrivilege as error:
        error.add_note(NO_RIGHT)
        raise
    except ReadOnlySqlTransaction as error:
        error.add_note(NO_WRITES)
        raise
