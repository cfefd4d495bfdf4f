"""What the runtime decides, as values: outcomes, presets, admission, batches, progress. No input or output here."""
