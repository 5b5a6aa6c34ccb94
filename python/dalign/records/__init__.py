"""What a run folder tells, as plain values: nothing here needs a model, and `values` needs no file either."""
