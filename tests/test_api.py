"""docs/api.txt lists the public names with their signatures as they are."""

from __future__ import annotations

import difflib

from tests.api import COMMAND, FILE, api


def test_the_public_names_and_signatures_are_those_of_docs_api_txt() -> None:
    listed, found = FILE.read_text(encoding="utf-8").splitlines(), api().splitlines()

    changed = list(difflib.unified_diff(listed, found, "docs/api.txt", "the package", lineterm=""))

    assert changed == [], f"if that is meant, run `{COMMAND}` and commit docs/api.txt:\n" + (
        "\n".join(changed)
    )
