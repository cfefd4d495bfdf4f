"""The copy of a recording elsewhere: sent, read back, restored, proven, and only then no longer needed here."""
