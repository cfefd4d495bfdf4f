"""Record a market's tape, prove what is computed from it, serve it under quota, watch all of it."""
