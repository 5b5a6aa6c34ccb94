"""Deliberative alignment: train a reasoning model to follow a written policy from memory."""
