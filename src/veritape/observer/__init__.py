"""Record a broker's tape and prove, per symbol and day, what is complete and what is missing."""
