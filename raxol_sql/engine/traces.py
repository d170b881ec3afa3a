"""Whether a statement leaves something on its connection that the next user would come upon."""

from __future__ import annotations

import re

from raxol_sql.text import first_word_of

_WORDS = ("set", "reset", "listen", "declare")
_PARTS = re.compile(
    r"\bset_config\s*\(|advisory_lock|\b(create|into)\s+(local\s+|global\s+)?temp",
    re.IGNORECASE,
)
_LOCAL = re.compile(r"\s*set\s+local\b", re.IGNORECASE)


def leaves_traces(text: str) -> bool:
    """
    Whether the text of a statement may set, take or make something that lasts as long as its
    connection: a setting, an advisory lock, a temporary table, an ear for notifications.

    It is better to say so of one too many, even if it only speaks of these in a literal: that
    costs a reset. What a function does inside cannot be seen.
    """
    if first_word_of(text) in _WORDS:
        return _LOCAL.match(text) is None
    return _PARTS.search(text) is not None
