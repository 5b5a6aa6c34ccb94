"""Models behind one protocol: chat messages in, completions out."""
