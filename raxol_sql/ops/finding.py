"""What a diagnosis has to say of one thing that it looked at."""

from __future__ import annotations

import enum

import attrs


class Status(enum.Enum):
    """The status: passes, should be fixed, broken, or could not be checked."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"
    SKIP = "SKIP"


@attrs.frozen
class Finding:
    """
    One thing that was looked at.

    ``group`` and ``check`` name it, in lower case and always the same; ``message`` says what was
    seen, with its figures, and of what was skipped why. ``remedy`` is what helps, as it can be
    pasted into a shell or psql where that is possible; empty where nothing has to be done. ``ms``
    is what it took, where that is a figure of interest. No field holds a secret.
    """

    group: str
    check: str
    status: Status
    message: str
    remedy: str = ""
    ms: float | None = None
