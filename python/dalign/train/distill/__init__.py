"""On-policy distillation: the model with the policy in sight teaches itself without it."""
