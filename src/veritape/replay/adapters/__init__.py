"""The simulated broker's servers and files."""
