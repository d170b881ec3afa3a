"""
A statement without its values: what pg_stat_statements made of one of our texts, found again.

The server keeps the first text of a statement, with constants replaced by numbered places, and
since 18 lists of them by a single one. A fingerprint forgets everything in which that text and
the one that was sent can differ. `masked` is for people: one line of it, and no value in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from raxol_sql.text.lexer import NAME_CHARACTER, Token, TokenKind, tokenize
from raxol_sql.text.source import Problem

_MASK, _END = "?", "…"
_VALUES = (TokenKind.NUMBER, TokenKind.STRING, TokenKind.PARAMETER)
# The name of a column may be `x$1`.
_PLACE = re.compile(rf"(?<!{NAME_CHARACTER})\$[0-9]+(?P<runs_on>{NAME_CHARACTER})?")

# A literal that goes on for a session with standard_conforming_strings off, and ends for others.
_AMBIGUOUS = re.compile(r"[nN]?'(?:[^\\]|\\[^'])*\\'")

# Words that are constants to the server, everywhere but in `is not null` and the like.
_CONSTANTS = frozenset(["true", "false", "null", "nfc", "nfd", "nfkc", "nfkd"])
_NAME = r'(?:"[^"]*"|[\w$]+)'
_TYPE = (
    rf"{_NAME}(?: \. {_NAME})*(?: varying| precision)?(?: \( \?(?: , \?)* \))?"
    r"(?: with(?:out)? time zone)?(?: \[ (?:\? )?\])*"
)
# The sign of a constant is a part of it, and that of a subtraction is not.
_SIGNS = re.compile(r"(?<!\S)(?:- )+\?(?!\S)")
_CASTS = re.compile(
    rf"(?<!\S)(?:\?(?: :: {_TYPE})+|cast \( \? as {_TYPE} \)"
    r"|(?:date|time(?:stamp)?(?:tz)?|interval)(?: \( \? \))?(?: with(?:out)? time zone)? \?)(?!\S)"
)
_LISTS = re.compile(r"(?<!\S)\?(?: , \?)+(?!\S)")
# Brackets around a constant do not keep a list from being one of constants.
_BRACKETS = re.compile(r"(?<!\S)\( \? \)(?!\S)")


def fingerprint(text: str) -> str:
    """
    What two texts have in common that differ only in values, white space, comments and case.

    It holds for the text of a query as it is sent, and for what pg_stat_statements keeps of it.
    Statements that differ in anything but values have different ones, except for the length of
    lists of values, for brackets around them, and for what values are cast to. Of a text that
    stops being SQL, such as one that was cut off, it is what comes before that place, with an
    ellipsis. Raises nothing.
    """
    found, before = " ".join(_words(text)).rstrip(" ;"), ""
    while found != before:
        before = found
        for pattern in (_SIGNS, _CASTS, _LISTS, _BRACKETS):
            found = pattern.sub(_MASK, found)
    return found


def masked(text: str, width: int = 80) -> str:
    """
    A statement in one line of at most ``width`` characters, with ``?`` for every value.

    Comments are left out, as they may hold anything. A text that is cut off, by the server or
    here, ends with an ellipsis, as does one of which only its session knows where a literal ends.
    Raises nothing.
    """
    plain, tokens = _tokens(text)
    written, end = "", 0
    for token in tokens:
        if token is not None and token.is_comment:
            continue
        if written and (token is None or token.start > end):
            written += " "
        if token is None:
            written += _END
            break
        word = plain[token.start : token.end]
        written += _MASK if token.kind in _VALUES else word
        if token.kind is TokenKind.STRING and _AMBIGUOUS.match(word):
            written += f" {_END}"
            break
        end = token.end
        if len(written) > width:
            break
    line = " ".join(written.split())
    return line if len(line) <= width else line[: width - 1].rstrip() + _END


def _words(text: str) -> Iterator[str]:
    """The tokens that count, in lower case, with a mask for each value."""
    plain, tokens = _tokens(text)
    before = ("", "")
    for token in tokens:
        if token is None:
            yield _END
            return
        if token.is_comment:
            continue
        word = plain[token.start : token.end]
        if token.kind is not TokenKind.QUOTED:
            word = word.lower()
        is_value = token.kind in _VALUES
        yield _MASK if is_value or _is_constant(word, before) else word
        before = (before[1], word)


def _is_constant(word: str, before: tuple[str, str]) -> bool:
    if word in _CONSTANTS:
        return before[1] != "is" and before != ("is", "not")
    # `limit all` is `limit null`, and the field of an `extract` is a text.
    return (before[1], word) == ("limit", "all") or before == ("extract", "(")


def _tokens(text: str) -> tuple[str, Iterator[Token | None]]:
    """The text with zeros for its numbered places, and its tokens; None where SQL ends."""
    plain = _PLACE.sub(lambda place: f"0 {place['runs_on']}" if place["runs_on"] else "0", text)

    def tokens() -> Iterator[Token | None]:
        try:
            yield from tokenize(plain)
        except Problem:
            yield None

    return plain, tokens()
