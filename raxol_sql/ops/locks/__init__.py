"""Who waits for whom, how often that came to a deadlock, and how it is ended."""
