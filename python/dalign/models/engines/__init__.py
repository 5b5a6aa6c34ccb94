"""What runs a model, one file an engine: in this process, on a server, from a script."""
