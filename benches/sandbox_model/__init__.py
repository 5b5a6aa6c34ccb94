"""What the sandbox's model is made by, from nothing."""
