"""Texts to bins of tokens: one packer, for the rows of a run and for those of a file."""
