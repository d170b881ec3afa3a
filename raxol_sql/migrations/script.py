"""
A script: the text of one migration file, split into its statements by PostgreSQL's lexical rules.

Bare yoyo reads the same file with sqlparse, which knows neither nested comments nor the bodies of
SQL functions; what the server's own scanner would say of a text decides here.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs
from yoyo.migrations import parse_metadata_from_sql_comments

from raxol_sql.errors import MigrationError
from raxol_sql.text.lexer import Token, TokenKind, tokenize
from raxol_sql.text.source import Problem

__all__ = ["Script", "Statement", "read_script"]

BYTE_ORDER_MARK = "\ufeff"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
COMMAND = re.compile(r"\\\S*")
VARIABLE = re.compile(r""":(?:'[^'\n]*'|"[^"\n]*"|\w+)?""")
# A zero-width space and a byte order mark are letters to PostgreSQL, as all blanks beyond ASCII.
UNSEEN = "\u200b\ufeff"


@attrs.frozen
class Statement:
    """One statement of a file, comments before it left out, and the line on which it starts."""

    text: str
    line: int


@attrs.frozen
class Script:
    """
    The statements of a file, and what yoyo reads in its first lines.

    ``content_hash`` is the SHA-256 of the text with line ends made ``\\n``. ``code_hash`` is that
    of the tokens of its statements: it stays when only comments or white space change.
    """

    directives: Mapping[str, str]
    statements: tuple[Statement, ...] = attrs.field(repr=False)
    content_hash: str
    code_hash: str


def read_script(path: Path) -> Script:
    """
    Return the script in ``path``.

    Raises MigrationError, with the line, for what no server takes as SQL: another encoding than
    UTF-8, a literal or comment that is not closed, psql's commands and variables, and a COPY whose
    rows the client would have to send.
    """
    text = decode(path)
    # A file that an editor of Windows wrote may begin with one; psql skips it as well.
    sql = text.removeprefix(BYTE_ORDER_MARK)
    try:
        statements = list(split_statements(sql))
    except Problem as problem:
        raise located_error(path, sql, problem) from None
    code = (
        "\x1f".join(sql[token.start : token.end] for token in without_semicolon(sql, tokens))
        for tokens in statements
    )
    return Script(
        parse_metadata_from_sql_comments(sql)[0],
        tuple(statement_of(sql, tokens) for tokens in statements),
        sha256(text),
        sha256("\x1e".join(code)),
    )


def decode(path: Path) -> str:
    data = path.read_bytes()
    if data.startswith(UTF_16):
        raise MigrationError(f"{path}: it is in UTF-16. Save it as UTF-8")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise MigrationError(
            f"{path}:{line}: not UTF-8 at byte {error.start}. Save it as UTF-8"
        ) from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if (at := text.find("\0")) >= 0:
        raise located_error(path, text, Problem("a NUL character", "remove it", at))
    return text


def split_statements(sql: str) -> Iterator[list[Token]]:
    """
    Yield the tokens of each statement, without comments; a lone semicolon is no statement.

    Each is checked before the text behind it is read, as that need not be SQL: the rows of a COPY.
    """
    statement: list[Token] = []
    scope = Scope()
    for token in tokenize(sql, numbered=True):
        if token.is_comment:
            continue
        word = sql[token.start : token.end]
        check_token(token, word)
        statement.append(token)
        if scope.ends(token, word):
            if len(statement) > 1:
                check_copy(sql, statement)
                yield statement
            statement, scope = [], Scope()
    if statement:
        check_copy(sql, statement)
        yield statement


class Scope:
    """
    What is open in a statement, so that a semicolon in it does not end it.

    These are brackets, as of the actions of a rule, and the body of a function or procedure
    between ``begin atomic`` and its ``end``.
    """

    def __init__(self) -> None:
        self.brackets = 0
        self.bodies = 0
        self.opening: list[str] = []
        self.before = ""

    def ends(self, token: Token, word: str) -> bool:
        """Take the next token, and return whether it ends the statement."""
        before, self.before = self.before, ""
        if token.kind is TokenKind.PUNCTUATION:
            self.brackets += (word in "([") - (word in ")]")
            self.before = word
            return word == ";" and self.brackets <= 0 and self.bodies == 0
        if token.kind is TokenKind.WORD:
            self.before = word.lower()
            if len(self.opening) < 4:
                self.opening.append(self.before)
            # After `as` or a dot a keyword is the name of a column.
            if self.makes_routine and before not in ("as", "."):
                self.count(before)
        return False

    def count(self, before: str) -> None:
        if self.before == "atomic" and before == "begin":
            self.bodies = 1
        elif self.before == "case" and self.bodies:
            self.bodies += 1
        elif self.before == "end" and self.bodies:
            self.bodies -= 1

    @property
    def makes_routine(self) -> bool:
        words = [word for word in self.opening if word not in ("or", "replace")]
        return words[:1] == ["create"] and not {"function", "procedure"}.isdisjoint(words[1:2])


def check_token(token: Token, word: str) -> None:
    if token.kind is TokenKind.PARAMETER:
        raise variable(word, token.start)
    if token.kind is TokenKind.WORD and not word.isascii():
        for offset, character in enumerate(word):
            if character in UNSEEN or unicodedata.category(character) == "Zs":
                raise Problem(
                    f"U+{ord(character):04X}, which looks like a blank and is a letter to the"
                    " server",
                    "put a plain blank in its place",
                    token.start + offset,
                )


def check_copy(sql: str, statement: Sequence[Token]) -> None:
    """Raise Problem for a COPY whose rows go through the client."""
    words = [sql[token.start : token.end].lower() for token in statement]
    if words[0] != "copy":
        return
    for source, target in itertools.pairwise(words):
        if (source, target) in {("from", "stdin"), ("to", "stdout")}:
            remedy = "write the rows as `insert into … values`, or load them with a :copy query"
            raise Problem(
                f"`copy … {source} {target}`, whose rows a migration neither sends nor receives",
                remedy if source == "from" else "remove it",
                statement[0].start,
            )


def variable(word: str, offset: int) -> Problem:
    return Problem(
        f"`{word}`, a variable of psql; a migration is SQL alone",
        "write the value itself",
        offset,
    )


def located_error(path: Path, sql: str, problem: Problem) -> MigrationError:
    """The error for ``problem``, in the terms of a migration where psql would take the text."""
    at = problem.offset
    if sql.startswith("\\", at) and (command := COMMAND.match(sql, at)):
        problem = Problem(
            f"`{command[0]}`, a command of psql; a migration is SQL alone",
            "remove it, or write in SQL what it does",
            at,
        )
    elif sql.startswith(":", at) and (name := VARIABLE.match(sql, at)):
        problem = variable(name[0], at)
    line = sql.count("\n", 0, at) + 1
    return MigrationError(f"{path}:{line}: {problem.problem}. To fix it, {problem.remedy}")


def without_semicolon(sql: str, tokens: Sequence[Token]) -> Sequence[Token]:
    last = tokens[-1]
    return tokens[:-1] if sql[last.start : last.end] == ";" else tokens


def statement_of(sql: str, tokens: Sequence[Token]) -> Statement:
    start = tokens[0].start
    return Statement(sql[start : tokens[-1].end], sql.count("\n", 0, start) + 1)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
