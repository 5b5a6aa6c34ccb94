"""One file a kind of defect: the function that is called like its file, from a policy and its golden cases to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pkgutil import iter_modules

from dalign.spec.findings import Finding
from dalign.spec.golden import GoldenCase
from dalign.spec.types import Spec

_NAMES = sorted(module.name for module in iter_modules(__path__))
LINTS: tuple[Callable[[Spec, Sequence[GoldenCase]], Iterable[Finding]], ...] = tuple(
    getattr(import_module(f"{__name__}.{name}"), name) for name in _NAMES
)
