"""Parts of date and time texts, as PostgreSQL reads them."""

from __future__ import annotations

import re

# By itself this word is midnight in UTC, and the zone is not what it is written for.
_PLAIN = re.compile(r"\s*(?:\d{4}-\d\d-\d\d|allballs)\s*", re.IGNORECASE)
# Three fields, of which one may be a month's name; a year and the day in it; eight digits; a
# Julian day; a word that stands for one.
_DATE = re.compile(
    r"\d+([-/.])(?:\d{1,2}|[a-z]{3,9})\1\d+|[a-z]{3,9}([-/.])\d{1,2}\2\d+|"
    r"(?<!\d)\d{4}[-.]\d{3}(?!\d)|(?<![\d.:])\d{8}(?![\d:])|(?<![a-z])j(?:ulian\s*)?\d+|"
    r"(?<![a-z])(?:now|today|tomorrow|yesterday|epoch|infinity)(?![a-z])",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"\d\s*:\s*\d|(?<![a-z])t\s*\d|\d\s*[ap]m\b|\d[hms]\b", re.IGNORECASE)
_OFFSET = re.compile(r"[+-]\s*\d|/|[a-z]\.\d", re.IGNORECASE)
# Without one of these it is a word alone, such as "now".
_CLOCK_OR_DAY = re.compile(r"\d|allballs", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(?:\.\d*)?")
_WORD = re.compile(r"[a-z]+(?:/[a-z_]+)*", re.IGNORECASE)
# With these a date has its month in letters, and two more numbers.
_MONTH = re.compile(
    r"\b(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)(?![a-z])",
    re.IGNORECASE,
)
_NO_ZONE = re.compile(
    rf"{_MONTH.pattern}|(?:mon|tue|wednes|thurs|fri|satur|sun)day|mon|tues?|weds?|thu(?:rs?)?|fri|"
    r"sat|sun|t|[ap]m|ad|bc|at|on|[ymdhsj]|mm|jd|julian|st|nd|rd|th|now|today|tomorrow|yesterday|"
    r"epoch|infinity|null|empty",
    re.IGNORECASE,
)


def has_more_than_a_date(text: str) -> bool:
    """Return whether a text has a time of day, which ``date`` would drop."""
    if _PLAIN.fullmatch(text):
        return False
    rest, dates = _DATE.subn(" ", text, count=1)
    if _CLOCK.search(text):
        return True
    numbers = len(_NUMBER.findall(rest))
    if dates:
        return numbers > 0
    return numbers > (2 if _MONTH.search(rest) else 1)


def has_zone(text: str) -> bool:
    """Return whether a text has a time zone, which ``timestamp`` and ``time`` would ignore."""
    if _PLAIN.fullmatch(text) or not _CLOCK_OR_DAY.search(text):
        return False
    if _OFFSET.search(_DATE.sub(" ", text, count=1)):
        return True
    return any(_NO_ZONE.fullmatch(word) is None for word in _WORD.findall(text))


def has_date(text: str) -> bool:
    """Return whether a text has a date, which ``time`` would drop."""
    return _DATE.search(text) is not None or _MONTH.search(text) is not None
