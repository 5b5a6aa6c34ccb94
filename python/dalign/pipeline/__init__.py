"""The whole run: which stage waits for which, what is done already, and what runs side by side."""
