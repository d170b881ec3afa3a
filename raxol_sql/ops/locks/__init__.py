"""Blocked sessions and their blockers, deadlock counters, and how a blocker is ended."""
