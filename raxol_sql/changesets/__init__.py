"""
Input that is looked at before it becomes a record: pure, without a database.

    input ──cast──▶ Changeset(changes, errors) ──validate──▶ ... ──▶ a query's arguments
                                │                                          │
                          constraints ◀───── the driver's error of a ──────┘
                                             constraint that is violated

`changeset` is the value that all of it is about, `validations` what is asked of single values,
`validators` what the attrs validators of a record say of them, `constraints` how an error of the
database finds its field, and `field_error` what there is to say. Names and words are Ecto's.
"""

from raxol_sql.changesets.changeset import Changeset
from raxol_sql.changesets.field_error import FieldError
from raxol_sql.changesets.rules import changeset_of
from raxol_sql.changesets.validators import rules_of

__all__ = ["Changeset", "FieldError", "changeset_of", "rules_of"]
