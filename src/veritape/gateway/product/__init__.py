"""The product: trades, bars, completeness, receipts as JSON pages, a module for each (GW-741, GW-742).

Prices, sizes and values are decimal texts, times integer nanoseconds UTC. Only what is sealed is served. A handler is a
plain function of the query and a reader; it may block, and runs in a worker thread.
"""
