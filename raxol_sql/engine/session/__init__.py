"""A connection with its prepared statements and the facts about its server."""
