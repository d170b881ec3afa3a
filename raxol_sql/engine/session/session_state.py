"""The session state that a statement may change, judged by its text."""

from __future__ import annotations

import re
from functools import lru_cache

import attrs

from raxol_sql.engine.types.type_trust import changes_schema
from raxol_sql.text import first_word_of

_WORDS = ("set", "reset", "listen", "declare")
_PARTS = re.compile(
    r"\bset_config\s*\(|advisory_lock|\b(create|into)\s+(local\s+|global\s+)?temp|"
    r"\b(table|view|into|exists)\s+pg_temp\b",
    re.IGNORECASE,
)
# Statements that may change the search path, the role ("$user") or privileges on schemas. A false
# positive costs one query.
PATH = re.compile(r"search_path|\bset_config\s*\(\s*[^'\s]|\bset\s+(?:\w+\s+)?schema\b", re.I)
ROLE = re.compile(
    r"\b(?:set|reset)\s+(?:local\s+|session\s+)?role\b|\bsession\s+authorization\b|\breset\s+all\b|"
    r"\bdiscard\s+all\b|\bset_config\s*\(\s*(?:'(?:role|session_authorization)'|[^'\s])",
    re.I,
)
_TEMPORARY = re.compile(
    r"(?:\b(?:create|into)\s+(?:local\s+|global\s+)?temp(?:orary)?\s+"
    r"(?:(?:table|view|sequence|recursive|unlogged)\s+)*(?:if\s+not\s+exists\s+)?"
    r"(?:pg_temp\s*\.\s*)?|\b(?:table|view|into|exists)\s+pg_temp\s*\.\s*)"
    r'(?:"((?:[^"]|"")+)"|([^\W\d]\w*))',
    re.I,
)
_MOVING = ("search_path", "set", "authorization", "discard", "temp")
_LOCAL = re.compile(r"\s*set\s+local\b", re.IGNORECASE)
# Longer texts are read again for each connection instead of being kept for the whole process.
_LONGEST_KEPT = 10_000


@attrs.frozen
class StatementEffects:
    """
    What a statement may change for the statements after it, judged by its text.

    ``leaves_traces``: see `changes_session_state`; ``may_move``: see `may_move`;
    ``changes_schema``: see `changes_schema`. A statement that ``may_call`` may run a function,
    which could have any of these effects.
    """

    first_word: str
    leaves_traces: bool
    may_move: bool
    changes_schema: bool
    may_call: bool


def effects_of(text: str) -> StatementEffects:
    """Return what a statement may change; short texts are read once in a process."""
    return _read_once(text) if len(text) <= _LONGEST_KEPT else _read(text)


def _read(text: str) -> StatementEffects:
    first_word, moves = first_word_of(text), may_move(text)
    return StatementEffects(
        first_word,
        changes_session_state(text),
        moves,
        changes_schema(text),
        # A read without a parenthesis calls no function that could have another effect.
        may_call="(" in text or first_word != "select" or moves,
    )


_read_once = lru_cache(maxsize=1000)(_read)


def changes_session_state(text: str) -> bool:
    """
    Return whether a statement may change state that lasts as long as the connection.

    That is a setting, an advisory lock, a temporary table or a LISTEN. A false positive, such as a
    keyword in a literal, costs a reset. Effects inside functions are not seen.
    """
    if first_word_of(text) in _WORDS:
        return _LOCAL.match(text) is None
    return _PARTS.search(text) is not None


def may_move(text: str) -> bool:
    """Return whether a statement may change the objects that names in other statements refer to."""
    lowered = text.lower()
    # A text may have a megabyte, on which the patterns are far slower.
    if not any(word in lowered for word in _MOVING):
        return False
    return any(pattern.search(text) for pattern in (PATH, ROLE, _TEMPORARY))


def temporary_names(text: str) -> set[str]:
    """Return the names of the temporary tables and views that a statement creates."""
    found = _TEMPORARY.findall(text)
    return {quoted.replace('""', '"') or plain.lower() for quoted, plain in found}
