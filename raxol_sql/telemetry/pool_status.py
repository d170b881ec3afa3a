"""How the pool of a database is at one moment."""

from __future__ import annotations

import attrs


@attrs.frozen
class PoolStatus:
    """
    How a pool is, and what it has done since it was opened.

    ``min`` and ``max`` are its bounds and ``size`` the connections that it has, of which ``in_use``
    are checked out and ``available`` are not. A connection that is known to be closed is neither;
    ``waiting`` callers wait for one. Of one pool ``size = in_use + available``, and ``0 <=
    available <= size <= max``; after a `resize` to less ``size`` may be above ``max`` until the
    surplus has been given back and has ended.

    The rest only grows, until the database is closed: ``calls`` that took a connection, of which
    ``waits`` had to wait for it, together ``wait_ms`` milliseconds, and ``refused`` did not get
    one in time; connections that were ``opened``, in ``connect_ms`` milliseconds, attempts that
    ``failed``, and connections that were found ``lost``.
    """

    min: int
    max: int
    size: int
    available: int
    in_use: int
    waiting: int
    closed: bool
    calls: int
    waits: int
    wait_ms: int
    refused: int
    opened: int
    connect_ms: int
    failed: int
    lost: int
