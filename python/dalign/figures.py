"""The values that a run's records are told in: rows of results, of costs and of curves, and journeys.

A report, a viewer and a terminal show them; each field is what one column shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Scalar = str | int | float | None


@dataclass(frozen=True)
class MetricRow:
    """A metric of one arm on one suite by one grader, with its 95 % interval.

    value: None where nothing could be graded. n: grades that count; missing: those that never came.
    rows_path: the file, below the run folder, in which the rows that it is computed from begin.
    """

    arm: str
    suite: str
    metric: str
    grader: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    seed: int
    rows_path: str
    missing: int = 0


@dataclass(frozen=True)
class PairRow:
    """The difference arm_b - arm_a on the same prompts and samples, with its 95 % interval."""

    arm_a: str
    arm_b: str
    suite: str
    metric: str
    diff: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class StageRow:
    """What a stage's variant cost and made; costs are None where they were not measured."""

    stage: str
    variant: str
    wall_s: float | None
    cpu_s: float | None
    peak_rss_mib: float | None
    rows_in: int
    rows_out: int


@dataclass(frozen=True)
class FunnelRow:
    """How many rows of a category are left after each stage: a bar for each field but the first."""

    category: str
    prompts: int
    completions: int
    well_formed: int
    judged: int
    kept: int
    examples: int


@dataclass(frozen=True)
class DropRow:
    """How many rows a stage dropped for a reason."""

    stage: str
    reason: str
    count: int


@dataclass(frozen=True)
class ScoreCount:
    """How many whole completions have an aggregated score."""

    score: float
    count: int


@dataclass(frozen=True)
class StateCount:
    """How many single judgements are in a state."""

    state: str
    count: int


@dataclass(frozen=True)
class RlStep:
    """Means over one step of an arm's RL; None where nothing was measured. length: tokens of a completion."""

    arm: str
    step: int
    reward: float | None
    truth: float | None
    retrieval: float | None
    length: float | None
    judged_share: float | None
    malformed_share: float | None
    active_groups: float | None


@dataclass(frozen=True)
class SftStep:
    """The loss of one step of an arm's SFT."""

    arm: str
    step: int
    loss: float


@dataclass(frozen=True)
class ModelUsed:
    """A model of the run, by what it did, where it lies and the fingerprint of its files."""

    role: str
    path: str
    fingerprint: str


@dataclass(frozen=True)
class JourneyStep:
    """One station of a row's journey. `text` is model output or user input: untrusted, as are texts in `facts`."""

    stage: str
    row: str
    text: str
    facts: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def note(self) -> str:
        """The facts as a line: `sample 1, state ok, score 8`."""
        return ", ".join(
            f"{name.replace('_', ' ')} {_shown(value)}" for name, value in self.facts.items()
        )


def _shown(value: Scalar) -> str:
    return "missing" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class JourneyRow:
    """A prompt and what became of it; `row_id` is the row that was asked for. Texts are untrusted."""

    row_id: str
    category: str
    prompt: str
    steps: Sequence[JourneyStep]
