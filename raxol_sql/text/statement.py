"""What may stand as the one statement of a query."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache

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
_ENCODING = (
    ("set", "names"),
    ("set", "client_encoding"),
    ("set", "session", "client_encoding"),
    ("set", "local", "client_encoding"),
)
_SUSPECT = _TRANSACTION_CONTROL | {phrase[0] for phrase in _TRANSACTION_PHRASES}
_WRITING = frozenset(["insert", "update", "delete", "merge"])
_PLACE = re.compile(r"\$[0-9]+")
_WORD = re.compile(r"[a-zA-Z]+(?![\w$])")


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
                "give it its own header: -- name: NAME :KIND",
                token.start,
            )
    statement = tokens[:end]
    solid = next((token.start for token in statement if not token.is_comment), None)
    if solid is None:
        place = tokens[0].start if tokens else 0
        raise Problem("a query without SQL", "write its statement below the header", place)
    if first_word(text, statement) in _SUSPECT:
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
    if tuple(words[:2]) in _ENCODING or tuple(words[:3]) in _ENCODING:
        raise Problem(
            "a query that sets client_encoding",
            "leave it as it is: texts travel in UTF-8, whatever the encoding of the database is",
            place,
        )
    if words and (
        words[0] in _TRANSACTION_CONTROL
        or any(tuple(words[: len(phrase)]) == phrase for phrase in _TRANSACTION_PHRASES)
    ):
        raise Problem(
            f"transaction control in a query: {words[0]}",
            "leave it to the caller: with db.transaction() as tx: ...",
            place,
        )


def first_word_of(statement: str) -> str:
    """The word of plain letters that a statement begins with, in lower case, or nothing."""
    return first_word(statement, tokenize(statement))


@cache
def writes(statement: str) -> bool:
    """Whether a statement changes rows as it is written, be it in a part of its WITH."""
    first = first_word_of(statement)
    if first != "with":
        return first in _WRITING
    # No written text has a `$1`, so the lexer takes none.
    plain = _PLACE.sub("0", statement)
    before = ""
    for token in tokenize(plain):
        found = None if token.is_comment else _WORD.match(plain, token.start, token.end)
        word = found.group().lower() if found else ""
        # A row that is locked FOR UPDATE, or FOR NO KEY UPDATE, is not changed.
        if word in _WRITING and before not in ("for", "key"):
            return True
        before = word or before
    return False


def literals(statement: str) -> Iterator[str]:
    """What stands in plain quotes in a statement."""
    plain = _PLACE.sub("0", statement)
    for token in tokenize(plain):
        if token.kind is TokenKind.STRING and plain[token.start] == "'":
            yield plain[token.start + 1 : token.end - 1]


def first_word(text: str, statement: Iterable[Token]) -> str:
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
