"""One SQL file to its definitions, with everything that is wrong in it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

import attrs

from raxol_sql.errors import DefinitionError
from raxol_sql.text.copying import check_result, copy_shape
from raxol_sql.text.definition import CopyShape, Definition, Directives
from raxol_sql.text.header import (
    Header,
    header_name,
    is_directive,
    is_header,
    read_directive,
    read_header,
)
from raxol_sql.text.lexer import Token, TokenKind, tokenize
from raxol_sql.text.source import Problem, Source
from raxol_sql.text.statement import check_variants, one_statement
from raxol_sql.text.template import read_template
from raxol_sql.text.variants import has_more_than

_NEXT_HEADER = re.compile(r"(?<![^\r\n])[ \t]*--[ \t]*name[ \t]*:")
# The protocol counts them in sixteen bits.
_MOST_PARAMETERS = 65_535
_SHORTEST_HEADER = len("--name:")
_HOW_TO_BEGIN = "a query begins with a line -- name: NAME :KIND"


def parse(
    source: Source, namespace: tuple[str, ...]
) -> tuple[list[Definition], list[DefinitionError]]:
    """
    The queries of a file, and everything that is wrong in it, in the order of its lines.

    Every error of a file is found in one go: one wrong query hides no other. A literal or a
    comment that is not closed ends at the next header.
    """
    definitions: list[Definition] = []
    errors: list[DefinitionError] = []
    for section in _sections(source, errors):
        definition = _Section(source, namespace, section, errors).definition()
        if definition is not None:
            definitions.append(definition)
    if not definitions and not errors:
        errors.append(DefinitionError("no query in this file", _HOW_TO_BEGIN, source.path))
    return definitions, sorted(errors, key=lambda error: (error.line or 0, error.column or 0))


@attrs.frozen(eq=False, repr=False)
class _Tokens:
    """The tokens of one query: the header first, unless they stand before every header."""

    tokens: list[Token]
    problem: Problem | None


def _sections(source: Source, errors: list[DefinitionError]) -> Iterator[_Tokens]:
    """The tokens of the file, split before each header."""
    text = source.text
    start = 0
    section: list[Token] = []
    while True:
        problem = None
        try:
            for token in tokenize(text, start, runs=True):
                kind = token.kind
                if kind is TokenKind.LINE_COMMENT and _is_header(source, token):
                    yield from _section(source, section, None, errors)
                    section = []
                section.append(token)
                if kind is TokenKind.STRING or kind is TokenKind.QUOTED:
                    _check_closed(text, token)
        except Problem as found:
            problem = _runs_over_header(text, section) or found
        yield from _section(source, section, problem, errors)
        if problem is None:
            return
        following = _NEXT_HEADER.search(text, problem.offset)
        if following is None:
            return
        start, section = following.start(), []


def _check_closed(text: str, token: Token) -> None:
    """
    Raises `Problem` for a quoted literal or name that takes a header for its own text.

    PostgreSQL would allow it. But two quotes that are each missing their other half close each
    other, and hide every query between them: that must not load.
    """
    if (
        token.end - token.start > _SHORTEST_HEADER
        and text[token.start] != "$"
        and _NEXT_HEADER.search(text, token.start, token.end)
    ):
        raise Problem(
            f"a {token.kind.value} that is not closed before the next query",
            "close it; a text with a header in it can be quoted as $$...$$",
            token.start,
        )


def _runs_over_header(text: str, section: list[Token]) -> Problem | None:
    """
    The literal or comment that took a header for its own text, if there is one.

    That is allowed. But where it comes before an error it is the likelier cause: it was not
    closed, and ends only where the next one was meant to begin.
    """
    for token in section:
        if token.kind in _RUNNING and _NEXT_HEADER.search(text, token.start, token.end):
            return Problem(
                f"a {token.kind.value} that is not closed before the next query",
                "close it",
                token.start,
            )
    return None


_RUNNING = (TokenKind.STRING, TokenKind.QUOTED, TokenKind.BLOCK_COMMENT)


def _section(
    source: Source,
    tokens: list[Token],
    problem: Problem | None,
    errors: list[DefinitionError],
) -> Iterator[_Tokens]:
    """The section, if it has a header; what stands before the first header has none."""
    if tokens and _is_header(source, tokens[0]):
        yield _Tokens(tokens, problem)
        return
    solid = [token for token in tokens if not token.is_comment]
    if solid:
        problem = Problem("SQL before the first query", _HOW_TO_BEGIN, solid[0].start)
    if problem is not None:
        errors.append(source.error(problem))


def _is_header(source: Source, token: Token) -> bool:
    return (
        token.kind is TokenKind.LINE_COMMENT
        and is_header(source.text[token.start : token.end])
        and source.begins_line(token.start)
    )


class _Section:
    """The lines of one query, read part by part so that each part's error is reported."""

    def __init__(
        self,
        source: Source,
        namespace: tuple[str, ...],
        section: _Tokens,
        errors: list[DefinitionError],
    ) -> None:
        self._source = source
        self._namespace = namespace
        self._tokens = section.tokens
        self._problem = section.problem
        self._errors = errors
        name = header_name(self._text(self._tokens[0]))
        self._query = ".".join((*namespace, name)) if name else None

    def definition(self) -> Definition | None:
        before = len(self._errors)
        header = None
        try:
            header = read_header(self._text(self._tokens[0]), self._tokens[0].start)
        except Problem as problem:
            self._report(problem)
        directives, doc, body = self._comments()
        if self._problem is not None:
            self._report(self._problem)
            return None
        try:
            text = self._source.text
            statement = one_statement(text, body or self._tokens[:1])
            template = read_template(text, statement)
            copy = self._copy_shape(header, statement) if header else None
            if len(template.names) > _MOST_PARAMETERS:
                raise Problem(
                    f"{len(template.names)} parameters, and a statement takes {_MOST_PARAMETERS}",
                    "give many values as one array: where id = any(:ids)",
                    self._tokens[0].start,
                )
            if has_more_than(template, directives.max_variants):
                raise Problem(
                    f"more than {directives.max_variants} variants",
                    "split the query, or raise the limit with -- @max-variants N",
                    self._tokens[0].start,
                )
            check_variants(text, statement, template)
        except Problem as problem:
            self._report(problem)
        if header is None or len(self._errors) > before:
            return None
        line, _ = self._source.place(self._tokens[0].start)
        return Definition(
            namespace=self._namespace,
            name=header.name,
            kind=header.kind,
            result=header.result,
            doc=doc,
            directives=directives,
            template=template,
            copy=copy,
            path=self._source.path,
            line=line,
            offset=self._tokens[0].start,
        )

    def _copy_shape(self, header: Header, statement: list[Token]) -> CopyShape | None:
        shape = copy_shape(self._source.text, statement, header.kind)
        if shape is not None and header.result is not None:
            first = self._tokens[0].start
            check_result(shape, header.result, self._source.text.index("->", first))
        return shape

    def _comments(self) -> tuple[Directives, str, list[Token]]:
        """Directives and documentation between the header and the body, and the body."""
        directives = Directives()
        doc: list[str] = []
        for index, token in enumerate(self._tokens[1:], start=1):
            if token.kind is not TokenKind.LINE_COMMENT:
                return directives, _doc(doc), self._tokens[index:]
            comment = self._text(token)
            if not is_directive(comment):
                doc.append(comment[2:])
                continue
            try:
                directives = read_directive(comment, token.start, directives)
            except Problem as problem:
                self._report(problem)
        return directives, _doc(doc), []

    def _report(self, problem: Problem) -> None:
        self._errors.append(self._source.error(problem, self._query))

    def _text(self, token: Token) -> str:
        return self._source.text[token.start : token.end]


def _doc(lines: list[str]) -> str:
    return textwrap.dedent("\n".join(lines)).strip()
