"""Runs that differ in a few settings, side by side."""
