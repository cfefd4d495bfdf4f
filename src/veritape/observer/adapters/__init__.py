"""Everything of the observer that touches a socket, a file or a thread."""
