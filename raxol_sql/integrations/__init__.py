"""What brings a database's events and figures to the tools that others watch them with."""
