"""One module per process and per command: read settings, build adapters, run."""
