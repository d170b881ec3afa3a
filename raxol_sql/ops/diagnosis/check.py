"""A check: what is asked of a database, and what is made of the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

import attrs

from raxol_sql.ops.diagnosis.subject import Subject
from raxol_sql.ops.finding import Finding
from raxol_sql.queries import Query


@attrs.frozen
class Check:
    """
    One part of a diagnosis.

    ``group`` and ``name`` are those of the finding that says that it could not be made;
    ``queries`` are what it sends, as far as it is ours. ``read`` makes it, and raises what the
    driver raises.
    """

    group: str
    name: str
    read: Callable[[Subject], Iterable[Finding]]
    queries: tuple[Query[Any], ...] = ()

    @classmethod
    def asking(
        cls,
        group: str,
        name: str,
        decide: Callable[..., Iterable[Finding]],
        *queries: Query[Any],
    ) -> Self:
        """
        The check that runs queries and has ``decide`` say what their answers mean.

        They are run in one read-only transaction, and take no arguments. After it
        ``decide(subject, *answers)`` is called.
        """

        def read(subject: Subject) -> Iterable[Finding]:
            with subject.database.transaction(read_only=True) as tx:
                answers = [tx.run(query()) for query in queries]
            return decide(subject, *answers)

        return cls(group, name, read, queries)
