"""What may stand as the one statement of a query."""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Iterator

from raxol_sql.text.definition import CopyShape, Kind
from raxol_sql.text.lexer import Token, TokenKind, split, tokenize
from raxol_sql.text.source import Problem
from raxol_sql.text.template import Template, block_marker
from raxol_sql.text.variants import all_statements

_TRANSACTION_CONTROL = frozenset(
    ["abort", "begin", "commit", "end", "release", "rollback", "savepoint", "start"]
)
_TRANSACTION_PHRASES = (
    ("prepare", "transaction"),
    ("set", "transaction"),
    ("set", "local", "transaction"),
    ("set", "session", "transaction"),
    ("set", "session", "characteristics"),
    ("set", "local", "session", "characteristics"),
    ("set", "session", "session", "characteristics"),
)
_SUSPECT = _TRANSACTION_CONTROL | {phrase[0] for phrase in _TRANSACTION_PHRASES}
_WORD = re.compile(r"[a-zA-Z]+(?![\w$])")
# The server folds the letters A to Z of a name that is not quoted, and no others.
_FOLDED = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_STREAMS = (("from", "stdin"), ("to", "stdout"))
_USE_COPY = "write copy TABLE (columns) from stdin, or copy (query) to stdout"


def one_statement(text: str, tokens: list[Token]) -> list[Token]:
    """
    The tokens of the single statement in ``tokens``, without its semicolon.

    Raises `Problem` for none, for a second one, and for transaction control, which belongs to
    the code that runs the queries.
    """
    end = _plain_end(text, tokens)
    if end is None:
        tokens = list(split(text, tokens))
        end = next(_ends(text, tokens), len(tokens))
    for token in tokens[end + 1 :]:
        if not token.is_comment and text[token.start : token.end] != ";":
            raise Problem(
                "a second statement in one query",
                "give it a header of its own: -- name: NAME :KIND",
                token.start,
            )
    statement = tokens[:end]
    solid = next((token.start for token in statement if not token.is_comment), None)
    if solid is None:
        place = tokens[0].start if tokens else 0
        raise Problem("a query without SQL", "write its statement below the header", place)
    if _first_word(text, statement) in _SUSPECT:
        _check_words(_words(text, statement), solid)
    return statement


def check_variants(text: str, statement: list[Token], template: Template) -> None:
    """
    Raises `Problem` where a statement that begins with a block can become one that may not stand.

    Every other statement keeps its first words in all of its variants.
    """
    opening = next(t for t in statement if not t.is_comment or block_marker(text, t))
    if block_marker(text, opening) is None:
        return
    place = opening.start
    for variant in all_statements(template):
        tokens: list[Token] = []
        try:
            tokens += tokenize(variant.text)
        except Problem:
            # Behind the first `$1`, which no written text has, there is no first word any more.
            continue
        if all(token.is_comment for token in tokens):
            raise Problem(
                "a query that can be left without SQL", "let a part stand outside the block", place
            )
        _check_words(_words(variant.text, tokens), place)


def _check_words(words: list[str], place: int) -> None:
    if words and (
        words[0] in _TRANSACTION_CONTROL
        or any(tuple(words[: len(phrase)]) == phrase for phrase in _TRANSACTION_PHRASES)
    ):
        raise Problem(
            f"transaction control in a query: {words[0]}",
            "leave it to the caller: with db.transaction() as tx: ...",
            place,
        )


def copy_shape(text: str, statement: list[Token], kind: Kind) -> CopyShape | None:
    """
    What a COPY moves, or None for any other statement.

    Raises `Problem` where the kind says one thing and the statement another, and for what COPY
    cannot have: parameters, blocks, and files on the server's machine.
    """
    is_copy = _first_word(text, statement) == "copy"
    if not is_copy and kind is not Kind.COPY:
        return None
    solid = [token for token in split(text, statement) if not token.is_comment]
    start = solid[0].start
    if not is_copy:
        raise Problem("a :copy query that is no COPY statement", _USE_COPY, start)
    outside = [_word(text, token) for token in _outside_brackets(text, solid)]
    pairs = set(itertools.pairwise(outside))
    if pairs.isdisjoint(_STREAMS):
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
    into_server = ("from", "stdin") in pairs
    return CopyShape(into_server, _columns(text, solid), _format(text, solid))


def _columns(text: str, solid: list[Token]) -> tuple[str, ...]:
    """The names in the first brackets behind the table; none if there are no such brackets."""
    names: list[str] = []
    inside = False
    if text[solid[1].start] == "(":
        return ()  # of a query
    for token in solid[1:]:
        word = text[token.start : token.end]
        if word == "(":
            inside = True
        elif word == ")":
            return tuple(names)
        elif inside and token.kind is TokenKind.WORD:
            names.append(word.translate(_FOLDED))
        elif inside and token.kind is TokenKind.QUOTED:
            names.append(word[1:-1].replace('""', '"'))
        elif not inside and word.lower() in ("from", "to"):
            break
    return ()


def _format(text: str, solid: list[Token]) -> str:
    """The format among the options, which stand behind stdin or stdout; text if none is named."""
    outside = list(_outside_brackets(text, solid))
    stream = next(
        after
        for before, after in itertools.pairwise(outside)
        if (_word(text, before), _word(text, after)) in _STREAMS
    )
    behind = [token for token in solid if token.start > stream.start]
    options = [text[token.start : token.end].strip("'\"").lower() for token in behind]
    named = dict(itertools.pairwise(options)).get("format")
    # Before PostgreSQL 9 the format stood alone: `copy binary t from stdin`, `... stdin csv`.
    alone = [_word(text, token) for token in outside if token.start > stream.start]
    if _word(text, outside[1]) == "binary":
        return "binary"
    return next((word for word in (named, *alone) if word in ("csv", "binary")), "text")


def _word(text: str, token: Token) -> str:
    return text[token.start : token.end].lower() if token.kind is TokenKind.WORD else ""


def _first_word(text: str, statement: list[Token]) -> str:
    """The word of plain letters that a statement begins with, in lower case, or nothing."""
    for token in statement:
        if not token.is_comment:
            found = _WORD.match(text, token.start, token.end)
            return found.group().lower() if found else ""
    return ""


def _words(text: str, tokens: list[Token]) -> list[str]:
    """The first words of a statement, in lower case."""
    words: list[str] = []
    for token in split(text, tokens):
        if token.kind is TokenKind.WORD:
            words.append(text[token.start : token.end].lower())
        elif not token.is_comment:
            break
        if len(words) == 4:
            break
    return words


def _outside_brackets(text: str, tokens: list[Token]) -> Iterator[Token]:
    depth = 0
    for token in tokens:
        if token.kind is TokenKind.PUNCTUATION:
            character = text[token.start]
            depth += (character in "([") - (character in ")]")
        elif depth == 0:
            yield token


def _plain_end(text: str, tokens: list[Token]) -> int | None:
    """
    Where the statement ends, if nothing but comments follows its first semicolon, or it has none.
    """
    for index, token in enumerate(tokens):
        if token.kind is TokenKind.PUNCTUATION and text[token.start] == ";":
            return index if all(later.is_comment for later in tokens[index + 1 :]) else None
    return len(tokens)


def _ends(text: str, tokens: list[Token]) -> Iterator[int]:
    """
    Where semicolons end statements: not in brackets, and not in a `begin atomic ... end`.

    The second is the body of a function, told from other words as psql tells it: only in a
    statement that begins as `create [or replace] function | procedure`.
    """
    words: list[str] = []
    brackets = blocks = 0
    for index, token in enumerate(tokens):
        if token.kind is TokenKind.WORD:
            word = text[token.start : token.end].lower()
            words.append(word)
            if brackets == 0 and _creates_routine(words):
                if word == "begin" or (word == "case" and blocks):
                    blocks += 1
                elif word == "end" and blocks:
                    blocks -= 1
        elif token.kind is TokenKind.PUNCTUATION:
            character = text[token.start]
            brackets += (character in "([") - (character in ")]")
            if character == ";" and brackets <= 0 and blocks == 0:
                yield index
                words.clear()


def _creates_routine(words: list[str]) -> bool:
    head = [word for word in words[:4] if word not in ("or", "replace")]
    return head[:1] == ["create"] and head[1:2] in (["function"], ["procedure"])
