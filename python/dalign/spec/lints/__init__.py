"""Kinds of defects of a policy as a whole: each a function from a policy to findings."""
