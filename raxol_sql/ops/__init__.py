"""What the people need who run the service: diagnoses, maintenance, and what goes on now."""
