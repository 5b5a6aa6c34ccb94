"""References that lead in a circle, so that no clause rules in the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dalign.spec.findings import Finding
from dalign.spec.golden import GoldenCase
from dalign.spec.references import targets
from dalign.spec.types import Clause, Spec


def circles(spec: Spec, _golden: Sequence[GoldenCase]) -> Iterator[Finding]:
    """Kind `circular-reference`: one finding for each reference that closes a circle."""
    clauses = {clause.id: clause for clause in spec.clauses()}
    edges = {key: list(targets(clause, clauses).items()) for key, clause in clauses.items()}
    done: set[str] = set()
    for start in clauses:
        if start in done:
            continue
        path = [start]
        waiting = [iter(edges[start])]
        while path:
            step = next(waiting[-1], None)
            if step is None:
                done.add(path.pop())
                waiting.pop()
                continue
            name, line = step
            if name in path:
                yield _finding(spec, clauses[path[-1]], line, [*path[path.index(name) :], name])
            elif name not in done:
                path.append(name)
                waiting.append(iter(edges[name]))


def _finding(spec: Spec, clause: Clause, line: int, circle: list[str]) -> Finding:
    text = f"references lead in a circle ({' → '.join(circle)}); say in one of these clauses alone which one rules"
    return Finding(spec.folder / clause.place.file, line, "circular-reference", text, clause.id)
