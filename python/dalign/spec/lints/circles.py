"""References that lead in a circle, so that no clause rules in the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dalign.spec.findings import Finding, finding_at
from dalign.spec.references import targets
from dalign.spec.types import Spec


def circles(spec: Spec) -> Iterator[Finding]:
    """Kind `circular-reference`: one finding for each reference that closes a circle."""
    clauses = {clause.id: clause for clause in spec.clauses()}
    edges = {key: list(targets(clause, clauses).items()) for key, clause in clauses.items()}
    done: set[str] = set()
    for start in clauses:
        path = [] if start in done else [start]
        waiting = [iter(edges[key]) for key in path]
        while path:
            name, line = next(waiting[-1], ("", 0))
            if not name:
                done.add(path.pop())
                waiting.pop()
            elif name in path:
                circle = " → ".join([*path[path.index(name) :], name])
                text = f"references lead in a circle ({circle}); say in one of these clauses alone which one rules"
                place = replace(clauses[path[-1]].place, line=line)
                yield finding_at(spec, place, "circular-reference", text, path[-1])
            elif name not in done:
                path.append(name)
                waiting.append(iter(edges[name]))
