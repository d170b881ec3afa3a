"""`raxol-sql --help` lists every command, once, in a section, with its whole summary."""

from __future__ import annotations

from collections import Counter

from click.testing import CliRunner

from raxol_sql.cli.app import commands
from raxol_sql.cli.command_groups import SECTIONS


def test_every_command_is_in_one_section() -> None:
    listed = Counter(name for section in SECTIONS.values() for name in section)

    assert {*listed} == {*commands.commands}
    assert {*listed.values()} == {1}


def test_no_summary_is_cut_or_wrapped_on_a_terminal_of_80_columns() -> None:
    result = CliRunner().invoke(commands, ["--help"], terminal_width=80)

    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert max(map(len, lines)) <= 80
    for section, summaries in SECTIONS.items():
        at = lines.index(f"{section}:")
        shown = lines[at + 1 : at + 1 + len(summaries)]
        for line, (name, summary) in zip(shown, summaries.items(), strict=True):
            assert line.split() == [name, *summary.split()]
            assert summary.endswith(".")
            assert not summary.endswith("...")
