"""Amounts as people read them."""

from __future__ import annotations

from collections.abc import Sequence


def span(seconds: float) -> str:
    """A length of time, in the two units that matter: ``3 d 4 h``, ``2 min 5 s``, ``0.4 s``."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((place for place, (count, _) in enumerate(units) if count), 3)
    return " ".join(f"{count} {unit}" for count, unit in units[first : first + 2] if count)


def size(count: float) -> str:
    """Bytes as people read them: ``512 B``, ``8 kB``, ``1.4 MB``; steps are of 1024, as in psql."""
    units = ["B", "kB", "MB", "GB", "TB"]
    # What would be read as 1024 of one unit is 1 of the next.
    while round(count, 1) >= 1024 and len(units) > 1:
        count /= 1024
        del units[0]
    return f"{count:,.1f}".removesuffix(".0") + f" {units[0]}"


def counted(count: int, one: str, many: str = "") -> str:
    """So many of something: ``1 table``, ``2 tables``."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def some(names: Sequence[str], limit: int = 5) -> str:
    """The first names of several, and how many there are besides."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit:,} more"
