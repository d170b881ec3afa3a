"""Passwords in texts that others have put together: found, and masked."""

from __future__ import annotations

import re

MASK = "********"

# That of a URL ends at the last @ there is, as it may not be quoted. Without an @ it is what a port
# cannot be. The URL that our own help tells to write has none.
_IN_URL = re.compile(
    r"(\w://[^\s:/@'\"\[]*:)(?!password@host)(?:.*(?=@)|(?!\d{1,5}(?:\D|$))[^\s'\"()]+)"
)
# Where that of libpq's words ends cannot be told once they were quoted again, or never were.
_IN_WORDS = re.compile(r"((?:password|secret|(?:client|server)_key)\s*=\s*)(?=\S).+", re.IGNORECASE)


def without_passwords(text: str) -> str:
    """
    ``text`` with a mask for every password that it shows as a part of a URL, or as libpq's words.

    Rather too much is masked than too little. Pure, and raises nothing.
    """
    return _IN_WORDS.sub(rf"\g<1>{MASK}", _IN_URL.sub(rf"\g<1>{MASK}", text))
