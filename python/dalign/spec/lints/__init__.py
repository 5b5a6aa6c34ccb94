"""One file a kind of defect: each a function from a policy and its golden cases to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from dalign.spec.findings import Finding
from dalign.spec.golden import GoldenCase
from dalign.spec.lints.circles import circles
from dalign.spec.lints.completeness import completeness
from dalign.spec.lints.examples import examples
from dalign.spec.lints.summaries import summaries
from dalign.spec.lints.terms import terms
from dalign.spec.lints.versions import versions
from dalign.spec.types import Spec

LINTS: tuple[Callable[[Spec, Sequence[GoldenCase]], Iterable[Finding]], ...] = (
    terms,
    circles,
    completeness,
    examples,
    summaries,
    versions,
)
