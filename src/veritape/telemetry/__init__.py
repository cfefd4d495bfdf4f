"""Metrics as values, their exposition, and structured logs."""
