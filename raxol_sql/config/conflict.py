"""Two sources that say different things of one key."""

from __future__ import annotations

import attrs


@attrs.frozen(eq=False, repr=False)
class Conflict:
    """
    A key for which ``weaker`` gives another value than ``stronger``, which wins.

    Both are names of sources, as in the origins of a `Config`; the values are left out, as there
    may be a secret among them. ``str()`` gives it as a line for people.
    """

    key: str
    stronger: str
    weaker: str

    def __str__(self) -> str:
        return f"{self.key}: {self.stronger} overrides a different value in {self.weaker}"
