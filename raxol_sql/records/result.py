"""What an answer of the server means for a query's kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from raxol_sql.errors import NoRowsError, TooManyRowsError
from raxol_sql.queries import Query
from raxol_sql.records.shape import shape_of
from raxol_sql.text import Kind


def result_of(
    query: Query[Any],
    columns: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
    affected: int,
) -> Any:
    """
    What running ``query`` gives, out of the columns, the rows and the count of rows changed.

    Raises `NoRowsError` and `TooManyRowsError` where the count of rows is not what the kind
    promises, and `RecordError` where the columns do not fit the record.
    """
    kind = query.kind
    if kind is Kind.AFFECTED:
        # The driver says -1 of a statement that counts nothing, such as CREATE TABLE.
        return max(affected, 0)
    if kind is Kind.EXEC:
        return None
    records = shape_of(query, columns)(rows)
    if kind is Kind.MANY:
        return records
    if len(records) > 1:
        expected = "exactly one row" if kind is Kind.ONE else "at most one row"
        problem = f"expected {expected}, got {len(records)}"
        raise TooManyRowsError(query.name, query.location, problem)
    if records:
        return records[0]
    if kind is Kind.ONE:
        raise NoRowsError(query.name, query.location, "expected exactly one row, got none")
    return None
