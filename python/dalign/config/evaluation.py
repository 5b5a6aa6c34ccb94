"""Arms and suites."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from dalign.config.section import Positive, Repeats, Section, Share, rule
from dalign.vocabulary import (
    ARMS,
    METRICS,
    ArmName,
    MetricName,
)


class Suite(Section):
    """A set of evaluation prompts."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """The suite's name in results and report."""
    path: Path
    """JSONL, as data.prompts; with 'expected' where the truth is known."""
    format: str = "prompts"
    """The form of the file: 'prompts', as data.prompts, or another that data/adapters has a reader for."""
    patterns: Path | None = None
    """TOML: patterns that tell an answer's ruling; with them the suite is graded by truth too."""
    metrics: tuple[MetricName, ...] = tuple(
        metric.name for metric in METRICS.values() if metric.by_default
    )
    judge: bool = True
    """Whether the judge grades it too."""

    @rule
    def _is_graded(self) -> str | None:
        said = (
            f"metrics = {list(self.metrics)}: nobody grades; name some, with patterns or the judge"
        )
        return None if self.metrics and (self.judge or self.patterns) else said


class Evaluate(Section):
    """Arms x suites, with intervals."""

    arms: tuple[ArmName, ...] = Field(
        tuple(arm.name for arm in ARMS.values() if arm.by_default),
        min_length=1,
        description="; ".join(f"{arm.name}: {arm.meaning}" for arm in ARMS.values()) + ".",
    )
    suites: tuple[Suite, ...] = ()
    """The sets of prompts."""
    samples: Repeats = 2
    """Completions a prompt."""
    temperature: float = Field(1.0, ge=0.0)
    max_new_tokens: Positive = 1024
    judge_k: Repeats = 1
    pass_score: float | None = None
    """The judge's score from which an answer passes; select.threshold unless set."""
    judge_card: Path | None = None
    """A card of this judge (`dalign judge calibrate FILE --out CARD`): the report shows its errors beside people, and what the rates that it measured stand for, given these."""
    resamples: int = Field(1000, ge=1, le=1_000_000)
    """Bootstrap resamples of the 95 % intervals."""
    max_forgetting: Share | None = None
    """The share of what the base has right, in a suite with the metric 'capability', that trainings may cost; with more, the run says so at the top of the report and ends with exit code 1. Unset: no bound."""
    max_kl: float | None = Field(None, gt=0)
    """Nats a token that a trained model may be from the base on data.held_out; with more, the run says so and ends with exit code 1. Unset: no bound."""
    max_missing: Share = 0.05
    """The share of a metric's grades that may be missing, in one arm and suite; with more, the run says so at the top of the report and ends with exit code 1."""
