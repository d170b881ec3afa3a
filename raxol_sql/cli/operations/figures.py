"""Figures and texts in few characters, with their units, for a line of a screen."""

from __future__ import annotations

UNKNOWN = "-"


def age(seconds: float | None) -> str:
    """A span of time in 7 characters at most, with its units."""
    if seconds is None:
        return UNKNOWN
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h {minutes:02}m"
    days, hours = divmod(hours, 24)
    return f"{days}d {hours:02}h" if days < 100 else f"{days:,} d"


def milliseconds(value: float) -> str:
    """A mean of milliseconds, in seconds where it is long."""
    if value < 1000:
        return f"{value:.2f} ms" if value < 10 else f"{value:.1f} ms"
    return f"{value / 1000:.2f} s" if value < 10_000 else age(value / 1000)


def number(value: float | None) -> str:
    """A figure by the second."""
    if value is None:
        return UNKNOWN
    return f"{value:.1f}" if 0 < value < 100 else f"{value:,.0f}"


def percent(share: float) -> str:
    """A part of 1; only all is 100 %."""
    value = share * 100
    return f"{min(value, 99.9) if share < 1 else value:.1f} %"
