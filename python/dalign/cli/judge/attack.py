"""Prints what became of attacks on a judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from dalign import progress
from dalign.cli.terminal import tell, tell_json
from dalign.figures import Share
from dalign.pipeline.attack import Attacked, attack_judge
from dalign.settings import load_config
from dalign.store.ledger import checked_config


def print_attacks(
    config: Path, cases: int, only: str | None, overrides: Sequence[str], *, as_json: bool
) -> None:
    """A line an attack and place. only: attacks of this name or kind."""
    settings = load_config(checked_config(config), overrides)
    shown = progress.Progress() if as_json else progress.for_terminal()
    rows = list(attack_judge(settings, cases, shown, only))
    if as_json:
        tell_json([asdict(row) for row in rows], indent=1)
        return
    head = ("attack", "kind", "in", "passed", "95 % interval", "lost", "alone", "attacked")
    for cells in (head, *map(_cells, rows)):
        name, kind, place, passed, ends, lost, alone, under = cells
        tell(f"{name:20} {kind:8} {place:7} {passed:>9}  {ends:14} {lost:>4} {alone:>6} {under:>8}")


def _cells(row: Attacked) -> tuple[str, ...]:
    share = Share.of_counts(row.passed, row.cases)
    ends = "" if share.value is None else f"[{share.low:.2f}, {share.high:.2f}]"
    means = ["-" if value is None else f"{value:.1f}" for value in (row.clean, row.attacked)]
    return (row.name, row.kind, row.place, f"{row.passed}/{row.cases}", ends, str(row.lost), *means)
