"""Classification of errors, outcomes of transactions, and retries: values, without any I/O."""

from raxol_sql.failures.attempts import Attempts, GiveUp, Retry
from raxol_sql.failures.budget import RetryBudget, RetryBudgets
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
    OutcomeToken,
    Resolver,
    ServerEpoch,
    ServerEpochs,
    XactStatus,
    effect_of,
    is_forgotten,
)
from raxol_sql.failures.retry import RetryPolicy, RetryReason

__all__ = [
    "REFUSED",
    "Attempts",
    "Backend",
    "Category",
    "Effect",
    "Failure",
    "GiveUp",
    "OutcomeToken",
    "Phase",
    "Resolver",
    "Retry",
    "RetryBudget",
    "RetryBudgets",
    "RetryPolicy",
    "RetryReason",
    "ServerEpoch",
    "ServerEpochs",
    "Verdict",
    "XactStatus",
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
