"""The records of the example domain: users and their preferences."""

from __future__ import annotations

from datetime import datetime

import attrs


@attrs.frozen
class User:
    """A row of ``users``. ``age`` is in years; times are aware, and set by the server."""

    id: int
    email: str
    name: str
    age: int | None
    active: bool
    inserted_at: datetime
    updated_at: datetime


@attrs.frozen
class UserPreferences:
    """A row of ``user_preferences``; ``theme`` None is the client's own choice."""

    id: int
    user_id: int
    theme: str | None
    notifications_enabled: bool
    inserted_at: datetime
    updated_at: datetime


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
