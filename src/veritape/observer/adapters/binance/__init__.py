"""Binance spot's input and output: streams, REST, segments, the recording."""
