"""Guest programs: C sources, the SDK header, committed ELFs and their manifest."""
