"""The RV32IM machine: decoding, instructions, memory, calls; readable here, compiled in ``compiled``."""
