"""Reinforcement learning: what a step draws, samples, is paid and loses."""
