"""Prints what one run has more than another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from dalign.cli.terminal import tell, tell_json, tell_table, warn
from dalign.errors import InputError
from dalign.records.comparison import ComparedRow, compare
from dalign.records.record import open_record

_HEADS = ("suite", "metric", "grader", "arm", "first", "second", "difference [95 % interval]", "p", "p, all", "can see", "prompts")  # fmt: skip


def compare_runs(a: Path, b: Path, arms: Sequence[str], *, as_json: bool) -> None:
    """A line for each arm, suite and metric that both runs have. arms: `A`, or `A,B` for arm A of the first and B of the second."""
    found = compare(open_record(a), open_record(b), [_pair(each) for each in arms])
    if as_json:
        tell_json({"rows": [asdict(row) for row in found.rows], "notes": list(found.notes)}, indent=1)  # fmt: skip
        return
    tell_table(_HEADS, [_cells(row) for row in found.rows], right=("p", "p, all", "prompts"))
    tell(
        "difference: second less first, on the same prompts and samples; p: by sign flips of prompts, and where all lines are looked at together (Holm); can see: the difference that so many prompts show in four tests out of five"
    )
    for note in found.notes:
        warn(f"warning: {note}")


def _pair(words: str) -> tuple[str, str]:
    one, comma, other = words.partition(",")
    if not one or (comma and not other) or "," in other:
        said = f"--arm {words!r}: an arm, or an arm of the first run and one of the second, such as sft,sft+rl"
        raise InputError(said, kind="not_valid", value=words)
    return one, other or one


def _cells(row: ComparedRow) -> tuple[str, ...]:
    arm = row.arm_a if row.arm_a == row.arm_b else f"{row.arm_a}, {row.arm_b}"
    seen = "-" if row.visible is None else f"{row.visible:.3f}"
    return (
        row.suite, row.metric, row.grader, arm, f"{row.value_a:.3f}", f"{row.value_b:.3f}",
        f"{row.diff:+.3f} [{row.low:+.3f}, {row.high:+.3f}]", f"{row.p:.3g}", f"{row.p_holm:.3g}", seen, str(row.prompts),
    )  # fmt: skip
