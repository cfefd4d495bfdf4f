"""The proof system: a pure library of field, hashing and, later, proofs."""
