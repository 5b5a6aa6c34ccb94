"""`dalign spec`: one file a command."""
