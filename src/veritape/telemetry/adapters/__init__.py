"""The listener that serves metrics, the pipes between processes, and log output."""
