"""Kinds of defects of a policy as a whole: every public function of the files here, from a policy to findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from inspect import isfunction, signature
from pkgutil import iter_modules

from dalign.spec.findings import Finding
from dalign.spec.golden import GoldenCase
from dalign.spec.types import Spec


def linted(spec: Spec, golden: Sequence[GoldenCase]) -> Iterator[Finding]:
    """What all of them find; one that names golden cases beside the policy gets them too."""
    for found in iter_modules(__path__):
        module = import_module(f"{__name__}.{found.name}")
        for name, lint in vars(module).items():
            if isfunction(lint) and lint.__module__ == module.__name__ and name[0] != "_":
                yield from lint(*(spec, golden)[: len(signature(lint).parameters)])
