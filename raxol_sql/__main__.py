"""`python -m raxol_sql` is `raxol-sql`."""

from raxol_sql.cli import main

if __name__ == "__main__":
    main()
