"""Ending a server so that none of its processes is left."""

from __future__ import annotations

import signal
from functools import partial

from raxol_sql.embedded.deadline import Timer
from raxol_sql.embedded.processes import Data, Process, lives, send
from raxol_sql.errors import EmbeddedError


def end(data: Data, deadline: Timer) -> bool:
    """
    End what lives of the server on ``data``: True if anything did.

    Half of the time is for an orderly shutdown, a quarter for one without a checkpoint, the rest
    for killing. Raises ``EmbeddedError`` if something still lives at the deadline.
    """
    if not data.living():
        return False
    # Once its parent is dead, a child may not be told by anything but having been seen before.
    seen: set[Process] = set()
    for number in (signal.SIGINT, signal.SIGQUIT):
        seen |= data.living()
        _send_to_heads(seen, number)
        if deadline.within(deadline.left() / 2).wait_until(partial(_gone, data, seen)):
            return True
    if deadline.wait_until(partial(_killed, data, seen)):
        return True
    left = sorted(process.pid for process in seen if lives(process))
    raise EmbeddedError(
        f"the server in {data.path} has not ended in time, its processes {left} live: "
        "give it more time; processes that cannot even be killed wait for a disk or a debugger"
    )


def _send_to_heads(family: set[Process], number: int) -> None:
    # The children are their parent's to end; an orphan has none but itself.
    pids = {process.pid for process in family if lives(process)}
    for process in family:
        if process.parent not in pids:
            send(process, number)


def _gone(data: Data, seen: set[Process]) -> bool:
    return not any(map(lives, seen)) and not data.living()


def _killed(data: Data, seen: set[Process]) -> bool:
    seen |= data.living()
    for process in seen:
        send(process, signal.SIGKILL)
    return _gone(data, seen)
