"""Errors that a caller expects, and turns into an answer: they are no failure."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token

Expects = Callable[[BaseException], bool]

_expects: ContextVar[Expects | None] = ContextVar("raxol_sql_expects", default=None)


class ExpectedRefusals:
    """
    A block in which an operation that ends with an expected error is reported as a success.

    ``expects`` says of an error whether it is expected. For one thread or task at a time.
    """

    __slots__ = ("_before", "_expects")

    def __init__(self, expects: Expects) -> None:
        self._expects = expects
        self._before: Token[Expects | None] | None = None

    def __enter__(self) -> None:
        self._before = _expects.set(self._expects)

    def __exit__(self, *raised: object) -> None:
        if self._before is not None:
            _expects.reset(self._before)


def is_expected(error: BaseException) -> bool:
    """Whether the caller of the operation that ends with ``error`` expects it."""
    expects = _expects.get()
    return expects is not None and expects(error)
