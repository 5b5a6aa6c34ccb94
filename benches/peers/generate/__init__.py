"""Seeded inputs; each is a function of its size and its seed alone, and is written in bounded memory."""
