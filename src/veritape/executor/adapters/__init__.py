"""Everything of the executor that touches a file or a process."""
