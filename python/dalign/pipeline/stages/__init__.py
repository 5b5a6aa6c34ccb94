"""The stages of a run, one file each: what it needs, what its rows depend on, and which tools it is handed."""
