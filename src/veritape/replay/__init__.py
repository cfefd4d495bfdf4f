"""The simulated broker: the KIS wire protocol over real recorded trades, with faults on demand."""
