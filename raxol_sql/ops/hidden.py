"""What the server hides from a role that is no member of pg_read_all_stats."""

from __future__ import annotations

from psycopg.sql import Identifier

from raxol_sql.ops.amounts import counted, span

# What stands in the place of a value that the server hides.
HIDDEN = "-"


def span_or_hidden(seconds: float | None) -> str:
    """A length of time, as `span` gives it, or `HIDDEN`."""
    return HIDDEN if seconds is None else span(seconds)


def hidden_sessions(count: int, role: str) -> str:
    """
    Say that ``role`` is not shown the activity of ``count`` sessions, and the grant that shows it.

    Empty where ``count`` is 0.
    """
    if not count:
        return ""
    return (
        f"{HIDDEN} is hidden: {role} lacks pg_read_all_stats, so the server does not show the "
        f"activity of {counted(count, 'session')} of other roles; as a superuser: "
        f"{grant_to(Identifier(role).as_string())}"
    )


def grant_to(role: str) -> str:
    """The statement that shows all activity to ``role``, which is quoted as SQL writes it."""
    return f"grant pg_read_all_stats to {role};"
