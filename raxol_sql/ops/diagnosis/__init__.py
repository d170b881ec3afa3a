"""The checks of a database, in groups, with a remedy for each finding."""
