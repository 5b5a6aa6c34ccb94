"""What the user brings: prompts, capability rows, and the patterns that grade a suite by truth."""
