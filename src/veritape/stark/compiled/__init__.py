"""Numba twins of the readable functions: values that are passed in, tested against them over the same vectors."""
