"""Every command on a terminal: its own escape codes command the terminal, and are never shown."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from raxol_sql.cli.app import commands

# For each command: the words to run it with, and the exit codes that it may end with. A command
# that is not here fails the first test.
ON_A_TERMINAL: dict[str, tuple[str, set[int]]] = {
    "analyze": ("analyze --table users", {0}),
    "check": ("check", {0}),
    "config": ("config", {0}),
    "deadlocks": ("deadlocks", {0}),
    "demo": ("demo", {0}),
    "diagnose": ("diagnose", {0, 1}),
    "docs": ("docs", {0}),
    "drift": ("drift", {0, 1}),
    "explain": ("explain users.count", {0, 1}),
    "explain-error": ("explain-error 40001", {0}),
    "init": ("init --yes", {0}),
    "list": ("list", {0}),
    "metrics": ("metrics", {0}),
    "migrate": ("migrate", {0}),
    "migrations": ("migrations", {0}),
    "new migration": ("new migration one more", {0}),
    "new outcomes": ("new outcomes", {0, 1}),
    "new queries": ("new queries users", {0}),
    "new record": ("new record users", {0}),
    "new test": ("new test users", {0}),
    "ping": ("ping", {0}),
    "pool-status": ("pool-status --probe", {0}),
    "reindex": ("reindex --table users", {0}),
    "rollback": ("rollback --help", {0}),
    "run": ("run users.count", {0}),
    "server start": ("server start --help", {0}),
    "server status": ("server status", {0, 1}),
    "server stop": ("server stop", {0}),
    "setup": ("setup", {0}),
    "show": ("show users.get", {0}),
    "top": ("top --interval 0.1 --count 2", {0}),
    "top --once": ("top --once --interval 0.1", {0}),
    "vacuum": ("vacuum --table users", {0}),
    "validate": ("validate User {}", {0, 1}),
}
STYLE = re.compile(r"\x1b\[[0-9;]*m")
# What a program writes out in place of an escape character.
WRITTEN_OUT = re.compile(r"\\x1b|\\u001b|\\e\[|\^\[|\x9b")


def every_command(group: click.Group, above: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from every_command(command, f"{above}{name} ")
        else:
            yield f"{above}{name}"


@pytest.fixture(scope="module")
def terminals() -> Iterator[Callable[[dict[str, Any]], Any]]:
    """Runs command lines on pseudo terminals."""
    program = str(Path(__file__).with_name("terminals.py"))
    with subprocess.Popen(
        [sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        lines, answers = process.stdin, process.stdout

        def run(given: dict[str, Any]) -> Any:
            lines.write(json.dumps(given) + "\n")
            lines.flush()
            return json.loads(answers.readline())

        yield run
        lines.close()


@pytest.fixture
def on_a_terminal(
    terminals: Callable[[dict[str, Any]], Any], project: Path, repository: Path, migrated: str
) -> Callable[..., Any]:
    """Runs a command line in a project of the test's own, on its own database."""
    for folder in ("migrations", "sql"):
        (project / folder).mkdir()
        for file in (repository / folder).rglob("*.sql"):
            target = project / file.relative_to(repository)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(file.read_bytes())
    (project / "raxol_sql.toml").write_text(
        '[project]\nqueries = "sql"\nmigrations = "migrations"\n'
        'records = "raxol_sql.demo.accounts"\n'
    )

    def run(words: str, **environment: str) -> Any:
        known = {"DATABASE_URL": migrated, "TERM": "xterm-256color", "COLUMNS": "120"}
        return terminals(
            {
                "words": words.split(),
                "folder": str(project),
                "keys": "",
                "environment": {**known, "LINES": "40", "NO_COLOR": "", **environment},
            }
        )

    return run


def test_every_command_is_in_the_table() -> None:
    assert {*every_command(commands)} <= ON_A_TERMINAL.keys()


@pytest.mark.parametrize("name", ON_A_TERMINAL)
def test_on_a_terminal_a_command_shows_none_of_its_own_codes_and_obeys_no_color(
    on_a_terminal: Callable[..., Any], name: str
) -> None:
    words, codes = ON_A_TERMINAL[name]

    styled = on_a_terminal(words)
    plain = on_a_terminal(words, NO_COLOR="1")

    for ran in (styled, plain):
        assert "Traceback" not in ran["text"]
        assert ran["code"] in codes, ran["text"]
        assert not WRITTEN_OUT.search(ran["text"])
        assert len(STYLE.sub("", ran["text"]).strip()) > 10
    assert STYLE.findall(plain["text"]) == []


@pytest.mark.parametrize("words", ["top --once --interval 0.1", "ping", "diagnose --only service"])
def test_what_has_styles_sends_them_to_a_terminal(
    on_a_terminal: Callable[..., Any], words: str
) -> None:
    assert STYLE.search(on_a_terminal(words)["text"])
