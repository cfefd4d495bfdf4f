"""Wire protocol of Korea Investment & Securities' Open API: names, widths, codes and offsets as data.

The recorder reads and the replayed broker writes with these tables and with no parsing or rendering code in common, so
that the two cannot agree on a mistake (KIS-007).
"""
