"""The benchmarks, which lie in the checkout and are in no wheel, made importable."""

from __future__ import annotations

import sys
from pathlib import Path

# At the end of the path, so that raxol_sql itself is still the installed one.
sys.path.append(str(Path(__file__).parents[2]))
