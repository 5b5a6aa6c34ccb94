"""Policies of other forms as drafts of a policy folder: coded tiers, headings with anchors, plain Markdown."""
