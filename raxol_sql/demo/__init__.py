"""
The example that `raxol-sql demo` runs and the documents use: records, queries and migrations.

``sql`` and ``migrations`` are links to the folders at the top of the repository; a wheel has their
files.
"""

from __future__ import annotations

from pathlib import Path

QUERIES = Path(__file__).parent / "sql"
MIGRATIONS = Path(__file__).parent / "migrations"
