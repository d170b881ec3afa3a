"""The records of the example domain: users and their preferences, and the rules of both."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs
from attrs.validators import and_, ge, gt, le, max_len

from raxol_sql.changesets import Changeset

# What PostgreSQL's integer holds.
_LARGEST = 2**31 - 1
# Python's \s is what the CHECK of the table spells out.
_EMAIL = r"[^\s@]+@[^\s@]+\.[^\s@]+"


@attrs.frozen
class User:
    """A row of ``users``. ``age`` is in years; times are aware, and set by the server."""

    id: int
    email: str = attrs.field(validator=max_len(255))
    name: str = attrs.field(validator=max_len(255))
    age: int | None = attrs.field(validator=attrs.validators.optional(and_(gt(0), le(_LARGEST))))
    active: bool
    inserted_at: datetime
    updated_at: datetime

    @classmethod
    def changeset(cls, of: User | type[User], given: Mapping[str, Any]) -> Changeset[User]:
        """What may be given of a user: nothing that the server sets, and an address once."""
        return (
            Changeset(of)
            .cast(given, permit=["email", "name", "age", "active"])
            .validate_required("email", "name")
            .validate_format("email", _EMAIL)
            .unique_constraint("email")
            .check_constraint("email", name="users_email_format", message="has invalid format")
            .check_constraint(
                "email",
                name="users_email_length",
                message="should be at most 255 character(s)",
            )
            .check_constraint("name", name="users_name_present", message="can't be blank")
            .check_constraint("age", name="users_age_positive", message="must be greater than 0")
        )


@attrs.frozen
class UserPreferences:
    """A row of ``user_preferences``; ``theme`` None is the client's own choice."""

    id: int
    user_id: int = attrs.field(validator=and_(ge(-(2**63)), le(2**63 - 1)))
    theme: str | None = attrs.field(validator=attrs.validators.optional(max_len(255)))
    notifications_enabled: bool
    inserted_at: datetime
    updated_at: datetime

    @classmethod
    def changeset(
        cls, of: UserPreferences | type[UserPreferences], given: Mapping[str, Any]
    ) -> Changeset[UserPreferences]:
        """What may be given of preferences: those of a user that exists."""
        return (
            Changeset(of)
            .cast(given, permit=["user_id", "theme", "notifications_enabled"])
            .validate_required("user_id")
            .foreign_key_constraint("user_id")
        )


@attrs.frozen
class AccountPreferences:
    """The part of a user's preferences that an account page shows."""

    theme: str | None
    notifications_enabled: bool


@attrs.frozen
class Account:
    """A user together with the preferences, if there are any."""

    id: int
    email: str
    name: str
    preferences: AccountPreferences | None
