"""Other tools beside dalign: the same input, in turn, each run in a process of its own."""
