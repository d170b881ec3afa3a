"""Exporters of a database's events and metrics to OpenTelemetry and Prometheus."""
