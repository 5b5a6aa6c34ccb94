"""Every compared path, by its name."""

from __future__ import annotations

import importlib
from functools import cache

from peers.protocol import Comparison

# In the order of the table: a module, and the paths that it holds.
MODULES = {
    "pack_rows": ("pack-rows",),
    "tokenize": (
        "tokenize-smollm2",
        "tokenize-tekken",
        "tokenize-o200k",
        "tokenize-trained",
        "tokenize-sandbox",
    ),
    "filter": ("filter",),
    "near_duplicates": ("near-duplicates",),
    "aggregate": ("aggregate",),
    "bootstrap": ("bootstrap",),
    "verdicts": ("verdicts",),
}
NAMES = tuple(name for names in MODULES.values() for name in names)


def module_of(name: str) -> str:
    """The file of a path."""
    return next(module for module, names in MODULES.items() if name in names)


@cache
def comparison_named(name: str) -> Comparison:
    """The path of that name; only its own module is imported."""
    module = importlib.import_module(f"peers.paths.{module_of(name)}")
    held: tuple[Comparison, ...] = module.COMPARISONS
    return next(comparison for comparison in held if comparison.path == name)


def chosen(only: list[str]) -> list[str]:
    """The names that begin with one of these, in the table's order; all where none is given."""
    return [name for name in NAMES if not only or any(name.startswith(part) for part in only)]
