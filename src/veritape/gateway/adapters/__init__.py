"""Everything of the gateway that touches a socket or a database."""
