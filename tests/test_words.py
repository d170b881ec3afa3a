"""The words of the project: standard terms, and none of those that hide who does what."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
# What to write in place of each stands in docs/glossary.md, or is the actor's name.
FORBIDDEN = re.compile(
    # The user of that name, in quotes or backticks, is none of them.
    r"(?<![`\"])\b(?:nobody|somebody|whoever|anew|mend(?:s|ed|ing)?|taken\s+back|to\s+be\s+had|seen\s+to"
    r"|of\s+its\s+own|what\s+became|beside|meanwhile|whom)\b",
    re.IGNORECASE,
)


def python_prose() -> Iterator[tuple[Path, int, str]]:
    """Each string, docstring and comment of the package and of the benchmarks, with its line."""
    for folder in ("raxol_sql", "benchmarks"):
        for file in sorted((CHECKOUT / folder).rglob("*.py")):
            for token in tokenize.generate_tokens(io.StringIO(file.read_text("utf-8")).readline):
                if token.type in (tokenize.STRING, tokenize.COMMENT, FSTRING_MIDDLE):
                    yield file, token.start[0], token.string


def other_prose() -> Iterator[tuple[Path, int, str]]:
    """The documentation, and the SQL files with their comments."""
    files = [CHECKOUT / "README.md", CHECKOUT / "CHANGELOG.md", *CHECKOUT.glob("benchmarks/*.md")]
    for pattern in ("docs/**/*.md", "sql/**/*.sql", "migrations/*.sql", "raxol_sql/**/*.sql"):
        files += sorted(CHECKOUT.glob(pattern))
    for file in files:
        yield file, 1, file.read_text("utf-8")


# Python 3.12 and later read the text of an f-string as tokens of its parts.
FSTRING_MIDDLE = getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)


def test_no_forbidden_word_is_in_a_string_a_docstring_a_comment_or_the_docs() -> None:
    found = []
    for file, first, text in (*python_prose(), *other_prose()):
        for match in FORBIDDEN.finditer(text):
            line = first + text.count("\n", 0, match.start())
            found.append(f"{file.relative_to(CHECKOUT)}:{line}: {match[0]!r}")
    assert found == []


def test_the_pattern_finds_each_word_in_any_case_and_over_the_end_of_a_line() -> None:
    for text in ("Nobody knows", "it was taken\nback", "built anew", "Mended", "beside it"):
        assert FORBIDDEN.search(text), text
    for text in ("besides", "recommend", "amendment", "whomp", "its own"):
        assert not FORBIDDEN.search(text), text
