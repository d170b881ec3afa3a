"""The rules of a record: the changeset that its class makes of plain input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raxol_sql.changesets.changeset import Changeset


def changeset_of(of: Any, given: Mapping[str, Any], *, permit: Sequence[str]) -> Changeset[Any]:
    """
    The changeset of ``of``, a record or its class, with what is ``given``.

    A class with a method ``changeset(of, given)`` makes it itself; of any other the fields in
    ``permit`` are cast, with what their types and validators say. Raises TypeError where that
    method gives something else.
    """
    record = of if isinstance(of, type) else type(of)
    own = getattr(record, "changeset", None)
    if own is None:
        return Changeset(of).cast(given, permit=permit)
    made = own(of, given)
    if not isinstance(made, Changeset):
        raise TypeError(f"{record.__name__}.changeset gives a Changeset; not {type(made).__name__}")
    return made
