"""The judge: k samples of a verdict by the policy, aggregated by their minimum (paper 2.3.2)."""
