"""What raxol_sql costs and whether its answers are right, measured; not part of the package."""
