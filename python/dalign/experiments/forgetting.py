"""Full SFT or LoRA, and how much capability data: what each forgets, beside what each is worth (2308.08747, 2507.17075)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from dalign.config import Config
from dalign.errors import InputError
from dalign.evaluate.intervals import Draws
from dalign.experiments.matrix import Cell, Matrix, run_matrix
from dalign.experiments.pooled import Change, Figure, changes, figures, forgotten, pooled
from dalign.progress import Progress
from dalign.vocabulary import BASE, CAPABILITY, TRAININGS, lineage

METHODS = ("full", "lora")


@dataclass(frozen=True)
class Asked:
    """What is compared. ratios: of sft.capability_ratio; own: settings that go with a method alone, such as its learning rate."""

    methods: Sequence[str]
    ratios: Sequence[float]
    arms: Sequence[str]
    own: dict[str, Sequence[str]]


@dataclass(frozen=True)
class Found:
    """Figures of every cell, what was forgotten, and how cells differ, over so many seeds. alarms: of single runs."""

    seeds: int
    figures: Sequence[Figure]
    forgotten: Sequence[Figure]
    changes: Sequence[Change]
    alarms: Sequence[str]


def cells_of(asked: Asked) -> list[Cell]:
    """A cell for each method and ratio. Raises InputError for a method that is none, and for a ratio below 0."""
    for method in asked.methods:
        if method not in METHODS:
            said = f"--methods names {method!r}; known are {' and '.join(METHODS)}"
            raise InputError(said, kind="unknown_choice", value=method)
    for ratio in asked.ratios:
        if not 0 <= ratio < float("inf"):
            said = f"--ratios names {ratio:g}: capability rows for each safety example, 0 or more"
            raise InputError(said, kind="not_valid", value=ratio)
    if not all(lineage(arm) for arm in asked.arms if arm != BASE) or not asked.arms:
        said = f"--arms: {', '.join(asked.arms) or 'none'}; name trained arms, such as sft"
        raise InputError(said, kind="not_valid", value=list(asked.arms))
    arms = [BASE, *(arm for arm in asked.arms if arm != BASE)]
    listed = ",".join(f'"{arm}"' for arm in arms)
    kinds = [kind for kind in sorted(TRAININGS) if any(kind in _kinds(arm) for arm in arms)]
    return [
        Cell(
            f"{method}-{ratio:g}",
            (
                *(f"{kind}.method={method}" for kind in kinds),
                f"sft.capability_ratio={ratio:g}",
                f"evaluate.arms=[{listed}]",
                *asked.own.get(method, ()),
            ),
        )
        for method, ratio in product(dict.fromkeys(asked.methods), dict.fromkeys(asked.ratios))
    ]


def _kinds(arm: str) -> set[str]:
    return {str(each.trained_by) for each in lineage(arm)}


def check_asked(config: Config, asked: Asked) -> list[str]:
    """Sentences on what a user will want to know before. Raises InputError where nothing that is forgotten could be seen."""
    suites = [suite.name for suite in config.evaluate.suites if CAPABILITY in suite.metrics]
    if not suites:
        said = f"no suite measures what is forgotten; give one the metric '{CAPABILITY}' (evaluate.suites: metrics)"
        raise InputError(said, kind="broken_rule", key="evaluate.suites")
    if any(asked.ratios) and config.data.capability is None:
        said = "--ratios above 0 need capability rows; name a file of them as data.capability, or give --ratios 0"
        raise InputError(said, kind="broken_rule", key="data.capability")
    shared = "learning_rate" in config.sft.model_fields_set and set(asked.methods) == set(METHODS)
    if shared and not any("learning_rate" in each for own in asked.own.values() for each in own):
        rate = config.sft.learning_rate
        return [
            f"sft.learning_rate = {rate:g} is taken for full weights and for LoRA alike, which needs about ten times as much; give --lora-set sft.learning_rate={10 * rate:g}, or leave it out of the config"
        ]
    return []


def forgetting(matrix: Matrix, config: Config, progress: Progress, *, redo: bool = False) -> Found:
    """Runs all cells, and compares them: over seeds and prompts, paired where two are held against each other."""
    draws = Draws(config.evaluate.resamples, config.run.seed)
    alarms, runs = list[str](), []
    for run in run_matrix(matrix, progress, redo=redo):
        runs.append(run)
        alarms += run.alarms()
    grades = pooled(runs)
    return Found(
        len(matrix.seeds),
        figures(grades, draws),
        forgotten(grades, draws),
        changes(grades, _pairs(matrix.cells), draws),
        alarms,
    )


def _pairs(cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """Cells that differ in one thing: LoRA against full weights at a ratio, and each ratio against the first."""
    names = [cell.name for cell in cells]
    split = [name.partition("-")[::2] for name in names]
    found = []
    for (method, ratio), name in zip(split, names, strict=True):
        if method != METHODS[0] and f"{METHODS[0]}-{ratio}" in names:
            found.append((f"{METHODS[0]}-{ratio}", name))
        first = next(other for other, (each, _) in zip(names, split, strict=True) if each == method)
        if first != name:
            found.append((first, name))
    return found


def default_arms(config: Config) -> list[str]:
    """The arm that is fine-tuned and no more, where a config has it; else all that are trained."""
    trained: list[str] = [arm for arm in config.evaluate.arms if lineage(arm)]
    return ["sft"] if "sft" in trained else trained
