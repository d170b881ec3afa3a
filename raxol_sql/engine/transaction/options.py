"""Options of a transaction."""

from __future__ import annotations

from functools import cached_property, lru_cache

import attrs

from raxol_sql.engine.session.outcome_marker import validate_commit_check

ISOLATION_LEVELS = ("read committed", "repeatable read", "serializable")


@attrs.frozen
class TransactionOptions:
    """
    The options of BEGIN; None leaves each to the server's settings.

    ``commit_check`` selects how the outcome is determined if no reply to COMMIT arrives: by the
    transaction ID ("xid"), for which COMMIT may wait ("xid-first"), by a row ("marker"), or not at
    all ("none").
    """

    isolation: str | None = attrs.field(default=None)
    read_only: bool | None = None
    deferrable: bool | None = None
    commit_check: str = attrs.field(default="none")

    @isolation.validator
    def _check_isolation(self, attribute: object, value: str | None) -> None:
        if value is not None and value not in ISOLATION_LEVELS:
            raise ValueError(
                f"isolation must be one of {', '.join(ISOLATION_LEVELS)}, not {value!r}"
            )

    @commit_check.validator
    def _validate_commit_check(self, attribute: object, value: str) -> None:
        validate_commit_check(value)

    @cached_property
    def statement(self) -> str:
        """Return the BEGIN statement with these options."""
        words = ["begin"]
        if self.isolation is not None:
            words.append(f"isolation level {self.isolation}")
        if self.read_only is not None:
            words.append("read only" if self.read_only else "read write")
        if self.deferrable is not None:
            words.append("deferrable" if self.deferrable else "not deferrable")
        return " ".join(words)


DEFAULTS = TransactionOptions()


def options_of(
    isolation: str | None, read_only: bool | None, deferrable: bool | None, commit_check: str
) -> TransactionOptions:
    """Return the options of a transaction, which few programs vary; raises as the class."""
    try:
        return _options_of(isolation, read_only, deferrable, commit_check)
    except TypeError:  # a value that cannot be hashed is no valid one; the class names it
        return TransactionOptions(isolation, read_only, deferrable, commit_check)


_options_of = lru_cache(maxsize=64)(TransactionOptions)
