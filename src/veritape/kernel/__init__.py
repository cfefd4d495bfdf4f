"""What every part may use: errors, clock, settings, canonical encoding, atomic files."""
