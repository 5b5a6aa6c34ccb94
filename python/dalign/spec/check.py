"""Everything that can be told to be wrong in a policy without asking a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dalign.errors import InputError
from dalign.spec.findings import Finding, finding_at
from dalign.spec.golden import GoldenCase, finding, load_golden
from dalign.spec.lints import linted
from dalign.spec.parse import compile_spec
from dalign.spec.render import detail_text
from dalign.spec.token_count import by_bytes
from dalign.spec.trivial import LEAST_CASES, MOST, Trivial, trivial_judges
from dalign.spec.types import Category, Spec
from dalign.vocabulary import CATEGORY_TOKENS


@dataclass(frozen=True)
class Checked:
    """A policy as far as it could be read, its golden cases, its categories' sizes, and what is to be mended.

    trivial: what judges that read no policy reach on the golden cases.
    """

    spec: Spec
    golden: list[GoldenCase]
    trivial: list[Trivial]
    tokens: dict[str, int]
    findings: list[Finding]

    def golden_of(self, category: Category) -> int:
        """How many golden cases a category has."""
        return sum(case.category == category.name for case in self.golden)


def check_spec(
    folder: Path | str, count: Callable[[str], int] = by_bytes, max_tokens: int = CATEGORY_TOKENS
) -> Checked:
    """Reads a policy folder and looks for everything that is to be mended, sorted by file and line.

    count: tokens of a text; a quarter of its bytes unless given. max_tokens: of a category's definitions, clauses and style
    guides: longer ones crowd out the conversation that they are to rule. Raises InputError where there is no policy at all.
    """
    folder, found = Path(folder), list[Finding]()
    spec = compile_spec(folder, found.append)
    golden = load_golden(spec, found.append)
    trivial = trivial_judges(golden)
    found += linted(spec, golden)
    found += _admits_anybody(golden, trivial)
    found += _templates(folder, spec)
    tokens = {category.name: count(detail_text(category)) for category in spec.categories}
    found += _over_long(spec, tokens, max_tokens)
    found = _without_consequences(found)
    findings = sorted(set(found), key=lambda f: (str(f.file), f.line, f.kind, f.text))
    return Checked(spec, golden, trivial, tokens, findings)


def _without_consequences(found: list[Finding]) -> list[Finding]:
    """The findings without those that only a ruling could bring about which is still to be given."""
    unruled = {each.clause for each in found if each.kind in ("undecided", "unknown-ruling")}
    depend = ("against-heading", "arrow-direction", "no-style", "needless-severity")
    return [each for each in found if each.clause not in unruled or each.kind not in depend]


def _admits_anybody(golden: list[GoldenCase], trivial: list[Trivial]) -> Iterator[Finding]:
    """A trivial judge that does better in a ruling than it may, and than chance explains."""
    for judge in trivial:
        for ruling, reached in judge.reached.items():
            if reached.value > MOST and reached.low > 0.5 and reached.cases >= LEAST_CASES:
                text = f"{judge.name} tell {reached.value:.2f} of the golden cases of {ruling!r} rightly, more than {MOST:g}; write cases that differ in one breach, and not in words, length or opening"
                yield finding(next(c for c in golden if c.ruling == ruling), "golden-trivial", text)


def _templates(folder: Path, spec: Spec) -> Iterator[Finding]:
    """A template of the folder's own that cannot be used; the shipped ones have tests."""
    if not (folder / "templates").is_dir():
        return
    from dalign.spec.templates import load_templates

    try:
        load_templates(folder).specs(spec)
    except InputError as error:
        yield Finding(folder / "templates", 1, "template", str(error))


def _over_long(spec: Spec, tokens: dict[str, int], most: int) -> Iterator[Finding]:
    for category in spec.categories:
        if tokens.get(category.name, 0) > most:
            text = f"category '{category.name}' has {tokens[category.name]:,} tokens, more than {most:,}; shorten or split it"
            yield finding_at(spec, category.place, "over-long", text)
