"""
What to begin with for a new project, and for a table that exists: texts to paste and to edit.

`record` writes an attrs class with its rules, `queries` a SQL file with the names that a repo
knows, `test_file` a test of both with a `sample` that the table takes, `project` the files of a new
project. `types` knows which type of Python a column has, and `checks` reads those CHECKs that
say something plain.
"""

from raxol_sql.scaffold.names import class_name
from raxol_sql.scaffold.project import project_files
from raxol_sql.scaffold.queries import queries_text
from raxol_sql.scaffold.record import record_text
from raxol_sql.scaffold.sample import Sample, find_sample
from raxol_sql.scaffold.test_file import text_of_test

__all__ = [
    "Sample",
    "class_name",
    "find_sample",
    "project_files",
    "queries_text",
    "record_text",
    "text_of_test",
]
