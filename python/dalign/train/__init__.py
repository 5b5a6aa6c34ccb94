"""Training: SFT on the kept examples, then RL. Nothing imports torch until a training starts."""
