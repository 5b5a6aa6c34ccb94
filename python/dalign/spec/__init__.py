"""The written policy: parsed, compiled to addressed clauses, and composed into prompts."""
