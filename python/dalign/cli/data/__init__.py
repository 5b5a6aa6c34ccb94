"""`dalign data`: options in, one function of the package called, its counts told."""
