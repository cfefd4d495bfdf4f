"""Workers on any concurrent.futures executor, and the runtime over them."""
