"""Layers of the cache that touch disk or network, single flight, and the cache over all of them."""
