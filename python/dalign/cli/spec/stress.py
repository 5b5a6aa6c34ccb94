"""Prints which clauses are not followed even in sight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from dalign import progress
from dalign.cli.terminal import tell, tell_json
from dalign.config import Config
from dalign.figures import Share
from dalign.pipeline.stress import stress
from dalign.settings import load_config
from dalign.store.ledger import checked_config


def print_stress(
    config: Path,
    against: Sequence[Path],
    k: int,
    prompts: int,
    only: Sequence[str],
    overrides: Sequence[str],
    *,
    as_json: bool,
) -> None:
    """A line a clause, the most urgent first."""
    first, *others = (_loaded(path, overrides) for path in (config, *against))
    shown = progress.Progress() if as_json else progress.for_terminal()
    found = stress(first, others, k=k, prompts=prompts, only=only, progress=shown)
    if as_json:
        rows = [asdict(each) | {"passing": each.passing} for each in found]
        tell_json(rows, indent=1)
        return
    tell(
        "clause: ruling; share of answers that keep it [95 %], the policy in sight; models apart; torn between samples"
    )
    for each in found:
        models = ", ".join(
            _of_model(name, share, len(each.models)) for name, share in each.models.items()
        )
        lost = f"; {each.lost} answers lost" if each.lost else ""
        apart = f"; apart {each.apart:.2f}" if len(each.models) > 1 else ""
        tell(
            f"{each.file}:{each.line}: {each.clause} {each.ruling}: {models}{apart}; torn {each.torn:.2f}{lost}"
        )


def _of_model(name: str, share: Share, models: int) -> str:
    return str(share) if models == 1 else f"{name} {share}"


def _loaded(path: Path, overrides: Sequence[str]) -> Config:
    return load_config(checked_config(path), overrides)
