"""The judge on the policy's golden cases, as a run has kept it."""

from __future__ import annotations

from typing import Any

from dalign.figures import AdmissionRow
from dalign.records.record import Record

_SHARES = ("agreement", "sensitivity", "specificity")


def admission_rows(record: Record) -> list[AdmissionRow]:
    """In all, by category and by ruling; none where the run asked nothing of the judge before it filtered."""
    shown = record.stage("admit").recorded("facts").get("admission")
    if shown is None:
        return []
    groups = {"all": shown["all"], **shown["categories"], **shown["rulings"]}
    return [
        AdmissionRow(
            where=name,
            cases=told["cases"],
            margin=_ends(shown["margins"].get(name)),
            **{share: _ends(told[share]) for share in _SHARES},
        )
        for name, told in groups.items()
    ]


def not_admitted(record: Record) -> list[str]:
    """A sentence for each thing that a judge lacks which goes on all the same."""
    lacking = record.stage("admit").recorded("facts").get("lacking", [])
    return [f"The judge was not admitted, and went on all the same: {words}." for words in lacking]


def _ends(told: dict[str, Any] | None) -> tuple[float, float, float] | None:
    return None if told is None else (told["value"], told["low"], told["high"])
