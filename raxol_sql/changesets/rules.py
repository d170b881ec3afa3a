"""The rules of a record: the changeset that its class makes of input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raxol_sql.changesets.changeset import Changeset


def changeset_of(of: Any, given: Mapping[str, Any], *, permit: Sequence[str]) -> Changeset[Any]:
    """
    Return the changeset of ``of``, a record or its class, with the values in ``given``.

    If the class has a method ``changeset(of, given)``, that makes it; otherwise the fields in
    ``permit`` are cast, and checked by their types and validators. Raises TypeError if that method
    returns anything else.
    """
    record = of if isinstance(of, type) else type(of)
    own = getattr(record, "changeset", None)
    if own is None:
        return Changeset(of).cast(given, permit=permit)
    made = own(of, given)
    if not isinstance(made, Changeset):
        raise TypeError(f"{record.__name__}.changeset gives a Changeset; not {type(made).__name__}")
    return made
