"""Receipts that are kept: keys, entries with their authentication, the layer in memory. No input or output here."""
