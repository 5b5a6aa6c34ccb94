"""The hot paths: one file each, with its inputs, its sides, and when two outputs agree."""
