"""The judge on the policy's golden cases, as a run has kept it."""

from __future__ import annotations

from typing import Any

from dalign.figures import AdmissionRow, Share
from dalign.records.record import Record

_SHARES = ("agreement", "sensitivity", "specificity")


def admission_rows(record: Record) -> list[AdmissionRow]:
    """In all, by category and by ruling; none where the run asked nothing of the judge before it filtered."""
    shown = _facts(record).get("admission")
    if shown is None:
        return []
    of = [
        *shown["categories"].items(),
        *(("ruling " + n, told) for n, told in shown["rulings"].items()),
    ]
    groups = [("all cases", shown["all"]), *of]
    margins = {f"ruling {name}": margin for name, margin in shown["margins"].items()}
    return [
        AdmissionRow(
            where=name,
            cases=told["cases"],
            margin=_ends(margins.get(name)),
            **{share: Share(**told[share]) for share in _SHARES},
        )
        for name, told in groups
    ]


def not_admitted(record: Record) -> list[str]:
    """A sentence for each thing that a judge lacks which goes on all the same."""
    lacking = _facts(record).get("lacking", [])
    return [f"The judge was not admitted, and went on all the same: {words}." for words in lacking]


def _facts(record: Record) -> dict[str, Any]:
    """Those of the stage; none where the run asks for no admission any more."""
    asked = record.config.judge.admission is not None
    return record.stage("admit").recorded("facts") if asked else {}


def _ends(told: dict[str, Any] | None) -> tuple[float, float, float] | None:
    return None if told is None else (told["value"], told["low"], told["high"])
