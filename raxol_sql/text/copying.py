"""What a COPY statement says: which way it goes, what it moves, and in which format."""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator, Sequence

from raxol_sql.text.definition import CopyShape, Kind
from raxol_sql.text.lexer import Token, TokenKind, split
from raxol_sql.text.source import Problem
from raxol_sql.text.statement import first_word
from raxol_sql.text.template import block_marker

# The server folds the letters A to Z of a name that is not quoted, and no others.
_FOLDED = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_STREAMS = (("from", "stdin"), ("to", "stdout"))
_USE_COPY = "write copy TABLE (columns) from stdin, or copy (query) to stdout"
# The options after which rows look otherwise than COPY writes them if it is asked for none.
_LAYOUT = frozenset(["default", "delimiter", "delimiters", "encoding", "header", "null"])


def copy_shape(text: str, statement: list[Token], kind: Kind) -> CopyShape | None:
    """
    What a COPY moves, or None for any other statement.

    Raises `Problem` where the kind says one thing and the statement another, and for what COPY
    cannot have: parameters, blocks, and files on the server's machine.
    """
    is_copy = first_word(text, statement) == "copy"
    if not is_copy and kind is not Kind.COPY:
        return None
    solid = [token for token in split(text, statement) if not token.is_comment]
    start = solid[0].start
    if not is_copy:
        raise Problem("a :copy query that is no COPY statement", _USE_COPY, start)
    outside = list(_outside_brackets(text, solid))
    stream = _stream(text, outside)
    if stream is None:
        raise Problem("a COPY of a file on the server's machine", _USE_COPY, start)
    if kind is not Kind.COPY:
        raise Problem(f"a COPY statement in a :{kind.value} query", "its kind is :copy", start)
    for token in statement:
        if token.kind is TokenKind.PARAMETER or block_marker(text, token):
            raise Problem(
                "COPY takes no parameters and no blocks",
                "copy the plain rows, and select from them with a query",
                token.start,
            )
    target = _target(text, solid[1 : solid.index(stream) - 1])
    if not target:
        raise Problem("a COPY of nothing", _USE_COPY, start)
    is_query = text[target[0].start] == "("
    options = _options(text, [token for token in solid if token.start > stream.start])
    return CopyShape(
        into_server=_word(text, stream) == "stdin",
        columns=() if is_query else _columns(text, target),
        format=_format(text, solid, stream),
        relation=None if is_query else _relation(text, target),
        query=text[target[0].end : target[-1].start].strip() if is_query else None,
        layout=tuple(dict.fromkeys(word for word in options if word in _LAYOUT)),
    )


def check_result(shape: CopyShape, result: str, offset: int) -> None:
    """Raises `Problem` for a COPY that names a ``result``, at ``offset``, and cannot give it."""
    leave_out = f"leave out -> {result}"
    if shape.into_server:
        problem = "a COPY from stdin has no result to name"
        remedy = f"{leave_out}: records go in as they are, and db.copy() gives their number"
    elif shape.format == "csv":
        problem = "a COPY in csv gives no records"
        remedy = f"write (format binary) or (format text), or {leave_out}"
    elif shape.layout:
        problem = f"a COPY with {', '.join(shape.layout)} gives no records"
        remedy = f"leave out the option, or {leave_out}"
    else:
        return
    raise Problem(problem, remedy, offset)


def _stream(text: str, outside: Sequence[Token]) -> Token | None:
    """The stdin or stdout of a COPY, if it is not of a file."""
    for before, after in itertools.pairwise(outside):
        if (_word(text, before), _word(text, after)) in _STREAMS:
            return after
    return None


def _target(text: str, before: list[Token]) -> list[Token]:
    """What a COPY is of; the word BINARY stood in front of it before PostgreSQL 7.3."""
    return before[1:] if before and _word(text, before[0]) == "binary" else before


def _relation(text: str, target: list[Token]) -> str:
    """The table's name as it is written; the comments in it are not."""
    named = itertools.takewhile(lambda token: text[token.start] != "(", target)
    return "".join([_plain(text, token) for token in named])


def _columns(text: str, target: list[Token]) -> tuple[str, ...]:
    """The names in the brackets behind the table; none if there are no brackets."""
    listed = itertools.dropwhile(lambda token: text[token.start] != "(", target)
    return tuple(
        _name(_plain(text, token))
        for token in listed
        if token.kind in (TokenKind.WORD, TokenKind.QUOTED)
    )


def _plain(text: str, token: Token) -> str:
    written = text[token.start : token.end]
    if token.kind is TokenKind.QUOTED and not written.startswith('"'):
        raise Problem(
            "a name with Unicode escapes in a COPY", "write the letters themselves", token.start
        )
    return written


def _name(written: str) -> str:
    if written.startswith('"'):
        return written[1:-1].replace('""', '"')
    return written.translate(_FOLDED)


def _format(text: str, solid: list[Token], stream: Token) -> str:
    """The format among the options, which stand behind stdin or stdout; text if none is named."""
    outside = list(_outside_brackets(text, solid))
    behind = [token for token in solid if token.start > stream.start]
    options = [text[token.start : token.end].strip("'\"").lower() for token in behind]
    named = dict(itertools.pairwise(options)).get("format")
    # Before PostgreSQL 9 the format stood alone: `copy binary t from stdin`, `... stdin csv`.
    alone = [_word(text, token) for token in outside if token.start > stream.start]
    if _word(text, outside[1]) == "binary":
        return "binary"
    return next((word for word in (named, *alone) if word in ("csv", "binary")), "text")


def _options(text: str, behind: list[Token]) -> Iterator[str]:
    """The words that can be the name of an option; a `where` comes after all of them."""
    depth = 0
    before = ""
    for token in behind:
        written = text[token.start : token.end].strip('"').lower()
        if depth == 0 and written == "where":
            return
        if depth == 0 or (depth == 1 and before in ("(", ",")):
            yield written
        if token.kind is TokenKind.PUNCTUATION:
            depth += (written == "(") - (written == ")")
        before = written


def _outside_brackets(text: str, tokens: list[Token]) -> Iterator[Token]:
    depth = 0
    for token in tokens:
        if token.kind is TokenKind.PUNCTUATION:
            character = text[token.start]
            depth += (character in "([") - (character in ")]")
        elif depth == 0:
            yield token


def _word(text: str, token: Token) -> str:
    return text[token.start : token.end].lower() if token.kind is TokenKind.WORD else ""
