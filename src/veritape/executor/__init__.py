"""Run RISC-V guest programs over the record and state what they computed."""
