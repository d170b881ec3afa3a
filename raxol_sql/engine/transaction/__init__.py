"""Transactions: BEGIN to COMMIT, retries, and the outcome of a COMMIT that was not answered."""
