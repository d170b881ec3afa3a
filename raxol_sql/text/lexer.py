"""
PostgreSQL's lexical rules: SQL text to tokens.

The rules are those of the server's own scanner (src/backend/parser/scan.l, PostgreSQL 18), with
standard_conforming_strings on, as it is by default; and psql's for `:name` and `:'name'`.
Nothing is ever found inside a literal, a quoted name or a comment.

A colon has one more meaning in SQL than a parameter's: it separates the bounds of a slice
(`a[1:n]`) and the key and value of a `json_object('k':v)`. There, and only there, a colon right
after an operand is that separator. After an operand no parameter could stand.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import NamedTuple

from raxol_sql.text.source import Problem


class TokenKind(enum.Enum):
    """What a token is; white space is no token. TEXT is several: see `tokenize`."""

    TEXT = "text"
    WORD = "word"
    QUOTED = "quoted name"
    NUMBER = "number"
    STRING = "string"
    OPERATOR = "operator"
    PUNCTUATION = "punctuation"
    PARAMETER = "parameter"
    COLON = "colon"
    LINE_COMMENT = "line comment"
    BLOCK_COMMENT = "block comment"


class Token(NamedTuple):
    """A token of a text: ``text[start:end]``."""

    kind: TokenKind
    start: int
    end: int

    @property
    def is_comment(self) -> bool:
        return self.kind is TokenKind.LINE_COMMENT or self.kind is TokenKind.BLOCK_COMMENT


# Characters of names, among them all beyond ASCII. The sets name what is not in them: Python takes
# thirty times as long to compile a set that goes on to the last character of Unicode.
_LETTER = r"[^\x00-@\[-^`{-\x7f]"
_LETTER_OR_DIGIT = r"[^\x00-/:-@\[-^`{-\x7f]"
NAME_CHARACTER = r"[^\x00-#%-/:-@\[-^`{-\x7f]"
# All that is white space to PostgreSQL: a no-break space, for one, is a letter of a name.
SPACE = " \t\n\r\f\v"
# Possessive only where one set of characters repeats: of groups, Python before 3.11.5 reads it
# wrongly. The groups are written so that there is one way to match them.
#
# String literals that are apart by white space with a line end in it are one literal, and the
# later parts follow the rules of the first: a backslash escapes in all parts of an E''.
_CONTINUED = r"(?:[ \t\f\v]|--[^\n\r]*+)*[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*+[\n\r])*'"
_DIGITS = r"[0-9](?:_?[0-9])*"


def _string(opening: str, plain: str, special: str) -> str:
    """A literal of ``plain`` characters and, in between, what its rules call ``special``."""
    inside = rf"{plain}*+(?:(?:{special}){plain}*+)*'(?!')" if special else rf"{plain}*+'"
    # A later part that is not closed leaves the whole literal open.
    return rf"{opening}'{inside}(?:{_CONTINUED}{inside})*(?!{_CONTINUED})"


_STANDARD = _string(r"(?:[uU]&)?", r"[^']", r"''")
_ESCAPED = _string(r"[eE]", r"[^'\\]", r"\\.|''")
_BITS = _string(r"[bBxX]", r"[^']", "")

_WORD = rf"(?![uU]&['\"]|[eEbBxX]'){_LETTER}{NAME_CHARACTER}*+"
_OPERATOR = r"[~!@#^&|`?+\-*/%<>=]"
# The most frequent first: which alternative stands where costs more than all else.
_ALTERNATIVES = [
    rf"(?P<word>{_WORD})",
    r"(?P<punctuation>[()\[\],;]|\.(?![.0-9]))",
    r"(?P<line_comment>--[^\n\r]*+)",
    r"(?P<block_comment>/\*)",
    rf"(?P<string>{_STANDARD}|{_ESCAPED}|{_BITS})",
    r'(?P<quoted>(?:[uU]&)?"[^"]*+(?:""[^"]*+)*"(?!"))',
    r"""(?P<unclosed>(?:[uU]&|[eEbBxX])?'|(?:[uU]&)?")""",
    rf"(?P<number>0[xX](?:_?[0-9A-Fa-f])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+"
    rf"|(?:{_DIGITS}(?:\.(?!\.)(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?)",
    rf"(?P<dollar>\$(?:{_LETTER}{_LETTER_OR_DIGIT}*+)?\$)",
    r"(?P<positional>\$[0-9]++)",
    # No operator has more than 63 characters; `+-+-+-+-` is read again for each of them.
    rf"(?P<operator>::|:=|\.\.|(?:(?!--|/\*){_OPERATOR}){{1,64}})",
    rf"(?P<parameter>:(?:{_LETTER}{_LETTER_OR_DIGIT}*+|'{_LETTER}{_LETTER_OR_DIGIT}*+'))",
    r"(?P<colon>:)",
    r"(?P<other>.)",
    r"(?P<end>\Z)",
]
# Words, plain numbers, commas, round brackets, simple comparisons and casts, in one.
_RUN = (
    rf"(?P<text>(?:[{SPACE}(),]|{_WORD}|\.(?![.0-9])|::(?!:)|[<>=]{{1,2}}(?!{_OPERATOR})"
    rf"|[0-9]++(?:\.[0-9]++)?(?!{NAME_CHARACTER}|\.))+)"
)


_KEEPING_SIGN = frozenset("~!@#^&|`?%")
# What a number runs into; a $ too, where the end of the number could be a name's (`0x1$`).
_JUNK = re.compile(NAME_CHARACTER)
_BETWEEN_DIGITS = re.compile(r"[.+-]")
_COMMENT_EDGE = re.compile(r"/\*|\*/")

# Words after which an expression goes on or begins, so that a colon after them is a parameter's.
# Every other word is an operand unless it follows one, as `at` does in `x at time zone :z`.
_OPENING_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        all and any array as asymmetric between both by case collate distinct else escape except
        for from having ilike in intersect into is leading like limit not offset on or order over
        placing select similar some symmetric then to trailing union using variadic when where
        """,
    )
)
_CLOSING_WORDS = frozenset(["end", "isnull", "notnull", "precision", "varying"])
_JSON_CALLS = frozenset(["json_object", "json_objectagg"])
_SEPARATORS_POSSIBLE = re.compile(r"\[|json_object", re.IGNORECASE)


def separators_possible(text: str, start: int, end: int) -> bool:
    """Whether a colon in ``text[start:end]`` could be another than a parameter's."""
    return _SEPARATORS_POSSIBLE.search(text, start, end) is not None


def tokenize(
    text: str,
    start: int = 0,
    end: int | None = None,
    *,
    separators: bool | None = None,
    runs: bool = False,
    numbered: bool = False,
) -> Iterator[Token]:
    """
    The tokens of ``text[start:end]``, in order; what is not in a token is white space.

    Raises `Problem` where PostgreSQL's scanner would stop: at a literal, quoted name or comment
    that is not closed, at a number that runs into a word, at a character that SQL does not have.
    A `$1` is a problem as well: numbers are given by us, to named parameters. With ``numbered`` it
    is a NUMBER, as the body of a function may have it. ``separators`` is what
    `separators_possible` says, where that is known already.

    With ``runs``, neighbours that are only words, numbers and the like come as one TEXT, which is
    several times as fast; `split` makes tokens of it again.
    """
    end = len(text) if end is None else end
    context = _Context()
    tracked = separators_possible(text, start, end) if separators is None else separators
    pattern, plain = _compiled(runs and not tracked)
    match_at, new_token = pattern.match, tuple.__new__
    position = start
    while True:
        match = match_at(text, position, end)
        assert match is not None, "the last alternatives match any character, and the end"
        alternative = match.lastindex
        assert alternative is not None, "every alternative is a group"
        begin, position = match.span(alternative)
        kind = plain[alternative]
        if kind is None:
            name = match.lastgroup
            if name == "end":
                return
            if name in ("parameter", "colon"):
                kind, position = _colon(match, begin, context)
            elif numbered and name == "positional":
                kind = TokenKind.NUMBER
            else:
                kind, position = _READERS[name or ""](match, begin, end)
        if tracked:
            context.see(kind, text, begin, position)
        yield new_token(Token, (kind, begin, position))


def split(text: str, tokens: Iterable[Token]) -> Iterator[Token]:
    """``tokens`` with every TEXT in them made into its own tokens."""
    for token in tokens:
        if token.kind is TokenKind.TEXT:
            yield from tokenize(text, token.start, token.end, separators=False)
        else:
            yield token


class _Context:
    """What a colon could mean here: the brackets that are open, and whether an operand ended."""

    __slots__ = ("after_operand", "last_word", "open")

    def __init__(self) -> None:
        self.open: list[str] = []
        self.after_operand = False
        self.last_word = ""

    def separates(self) -> bool:
        """Whether a colon here separates the bounds of a slice, or a JSON key from its value."""
        return bool(self.open) and self.open[-1] in ("subscript", "json") and self.after_operand

    def in_subscript(self) -> bool:
        return bool(self.open) and self.open[-1] == "subscript"

    def see(self, kind: TokenKind, text: str, start: int, stop: int) -> None:
        if kind is TokenKind.WORD:
            word = text[start:stop].lower()
            self.after_operand = word in _CLOSING_WORDS or not (
                self.after_operand or word in _OPENING_WORDS
            )
            self.last_word = word
            return
        if kind is TokenKind.LINE_COMMENT or kind is TokenKind.BLOCK_COMMENT:
            return
        if kind is TokenKind.PUNCTUATION:
            self._bracket(text[start])
        else:
            self.after_operand = kind is not TokenKind.OPERATOR and kind is not TokenKind.COLON
        self.last_word = ""

    def _bracket(self, character: str) -> None:
        if character == "(":
            opening = "json" if self.last_word in _JSON_CALLS else "group"
            self.open.append("operator" if self.last_word == "operator" else opening)
        elif character == "[":
            nested = bool(self.open) and self.open[-1] == "array" and not self.after_operand
            self.open.append("array" if nested or self.last_word == "array" else "subscript")
        closed = self.open.pop() if character in ")]" and self.open else ""
        # `a operator(pg_catalog.+) b` is `a + b`.
        self.after_operand = character in ")]" and closed != "operator"


def _colon(match: re.Match[str], begin: int, context: _Context) -> tuple[TokenKind, int]:
    if context.separates():
        return TokenKind.COLON, begin + 1
    if match.lastgroup == "parameter":
        return TokenKind.PARAMETER, match.end()
    if context.in_subscript():
        return TokenKind.COLON, match.end()
    following = match.string[match.end() : match.end() + 1]
    if following == '"':
        raise Problem(
            "a parameter cannot stand for a name",
            'write the name itself, or offer several with a choice /*= by: key: "a" */ "b" /*=*/',
            begin,
        )
    raise Problem(
        "a colon without a parameter's name",
        "write :name, beginning with a letter or an underscore",
        begin,
    )


def _operator(match: re.Match[str], begin: int, end: int) -> tuple[TokenKind, int]:
    text = match.group(match.lastgroup or 0)
    # A trailing + or - belongs to the operator only if one of these is in it (SQL's `=-1`).
    if len(text) > 1 and text[-1] in "+-" and _KEEPING_SIGN.isdisjoint(text):
        text = text[:1] + text[1:].rstrip("+-")
    return TokenKind.OPERATOR, begin + len(text)


def _number(match: re.Match[str], begin: int, end: int) -> tuple[TokenKind, int]:
    junk = _JUNK.match(match.string, match.end(), end)
    last = _BETWEEN_DIGITS.split(match.string[begin : match.end()])[-1] if junk else ""
    if junk and (junk.group() != "$" or (last and not last.isdigit())):
        raise Problem(
            "a number runs into a word",
            "put white space or an operator between them",
            begin,
        )
    return TokenKind.NUMBER, match.end()


def _block_comment(match: re.Match[str], begin: int, end: int) -> tuple[TokenKind, int]:
    depth, position = 1, match.end()
    while depth:
        edge = _COMMENT_EDGE.search(match.string, position, end)
        if edge is None:
            raise Problem(
                "a comment that is not closed",
                "close it with */ (comments nest: every /* inside needs its own */)",
                begin,
            )
        depth += 1 if edge.group() == "/*" else -1
        position = edge.end()
    return TokenKind.BLOCK_COMMENT, position


def _dollar(match: re.Match[str], begin: int, end: int) -> tuple[TokenKind, int]:
    tag = match.group(match.lastgroup or 0)
    closing = match.string.find(tag, match.end(), end)
    if closing < 0:
        raise Problem(
            f"a dollar-quoted string that is not closed: {tag}",
            f"close it with {tag}",
            begin,
        )
    return TokenKind.STRING, closing + len(tag)


def _unclosed(match: re.Match[str], begin: int, end: int) -> tuple[TokenKind, int]:
    quote = match.group()[-1]
    what = "a string literal" if quote == "'" else "a quoted name"
    raise Problem(
        f"{what} that is not closed",
        f"close it with {quote} (inside, the same quote is doubled: {quote}{quote})",
        begin,
    )


def _positional(match: re.Match[str], begin: int, end: int) -> tuple[TokenKind, int]:
    raise Problem(
        f"a parameter by number: {match.group('positional')}",
        "name it, as in :id; the numbers are given when the query is sent",
        begin,
    )


def _other(match: re.Match[str], begin: int, end: int) -> tuple[TokenKind, int]:
    character = match.group(match.lastgroup or 0)
    remedy = "quote it, or remove it"
    if character == "\\":
        remedy = "psql's backslash commands are not SQL: remove it"
    raise Problem(f"{character!r} has no meaning in SQL here", remedy, begin)


_PLAIN_NAMES = {
    "text": TokenKind.TEXT,
    "line_comment": TokenKind.LINE_COMMENT,
    "string": TokenKind.STRING,
    "quoted": TokenKind.QUOTED,
    "word": TokenKind.WORD,
    "punctuation": TokenKind.PUNCTUATION,
}


@cache
def _compiled(runs: bool) -> tuple[re.Pattern[str], list[TokenKind | None]]:
    """
    Return the pattern of a token, and the kinds of tokens by the number of the alternative.

    The kind is None where there is more to read than the match. Compiled when first used, and not
    by an import.
    """
    alternatives = [_RUN, *_ALTERNATIVES] if runs else _ALTERNATIVES
    pattern = re.compile(rf"[{SPACE}]*+(?:{'|'.join(alternatives)})", re.DOTALL)
    return pattern, [None, *map(_PLAIN_NAMES.get, pattern.groupindex)]


_READERS: dict[str, Callable[[re.Match[str], int, int], tuple[TokenKind, int]]] = {
    "block_comment": _block_comment,
    "unclosed": _unclosed,
    "number": _number,
    "dollar": _dollar,
    "positional": _positional,
    "operator": _operator,
    "other": _other,
}
