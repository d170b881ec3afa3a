"""The way to the server: every step of it, what is in its way, and what helps."""
