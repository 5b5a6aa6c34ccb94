"""`dalign ablate`: experiments, each a matrix of runs."""
