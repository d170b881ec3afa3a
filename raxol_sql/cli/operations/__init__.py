"""The commands of those who run the service: what is wrong, what goes on, and maintenance."""
