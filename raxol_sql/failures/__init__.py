"""What an error means, what may have happened, and whether it is done again: values, no I/O."""

from raxol_sql.failures.attempts import Again, Attempts, Stop
from raxol_sql.failures.budget import Budget, Budgets
from raxol_sql.failures.classify import classify
from raxol_sql.failures.failure import Category, Effect, Failure, Phase, Verdict
from raxol_sql.failures.loss import (
    REFUSED,
    ending_of,
    is_lost,
    is_refused,
    mark_ending,
    mark_lost,
    mark_refused,
)
from raxol_sql.failures.outcome import (
    Backend,
    Incarnation,
    Lives,
    OutcomeToken,
    Resolver,
    Sighting,
    effect_of,
    is_forgotten,
)
from raxol_sql.failures.retry import Cause, RetryPolicy

__all__ = [
    "REFUSED",
    "Again",
    "Attempts",
    "Backend",
    "Budget",
    "Budgets",
    "Category",
    "Cause",
    "Effect",
    "Failure",
    "Incarnation",
    "Lives",
    "OutcomeToken",
    "Phase",
    "Resolver",
    "RetryPolicy",
    "Sighting",
    "Stop",
    "Verdict",
    "classify",
    "effect_of",
    "ending_of",
    "is_forgotten",
    "is_lost",
    "is_refused",
    "mark_ending",
    "mark_lost",
    "mark_refused",
]
