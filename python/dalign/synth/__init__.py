"""New prompts for clauses that lack them: a model writes them, and every one is checked before it is kept."""
