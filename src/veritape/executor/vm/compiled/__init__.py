"""The machine compiled with Numba: a value that is passed in where the readable one is too slow."""
