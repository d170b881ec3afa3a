"""Many statements in few round trips."""
