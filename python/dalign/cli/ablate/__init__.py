"""`dalign judge`: the stage's own command, and what a judge is worth."""
