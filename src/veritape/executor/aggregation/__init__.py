"""How claims become one proof: thresholds, estimates called estimates, measured costs, and the decision between them."""
