"""The executor over HTTP: jobs, health, and what is answered to bad requests."""
