"""One connection with its prepared statements, and what is known of its server."""
