"""Sell the record through an API: keys, tiers, exact quotas, usage to bill."""
