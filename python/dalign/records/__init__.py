"""What a run's folder tells: readers that need no engine and no file of the user's."""
