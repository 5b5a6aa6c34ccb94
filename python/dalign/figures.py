"""The values that a run's records are told in: rows of results, of costs and of curves, and journeys.

A report, a viewer and a terminal show them; each field is what one column shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import sqrt
from statistics import NormalDist
from typing import Any, Literal, NamedTuple

Scalar = str | int | float | None

# How sure an interval is meant to be, and as many standard errors on both sides.
LEVEL = 0.95
Z = NormalDist().inv_cdf((1 + LEVEL) / 2)


def wilson(share: float, n: int) -> tuple[float, float]:
    """The ends of Wilson's score interval (1927) of a share of n trials, n at least 1: wide at 0 and 1 too."""
    centre = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    # At 0 and 1 an end is the share itself, and not what rounding makes of it.
    low = 0.0 if share <= 0 else max(0.0, centre - half)
    return low, 1.0 if share >= 1 else min(1.0, centre + half)


@dataclass(frozen=True)
class Share:
    """hits of n, as a share with the ends of Wilson's 95 % interval: a bootstrap of equal values would claim certainty. All None where n is 0."""

    hits: int
    n: int
    value: float | None
    low: float | None
    high: float | None

    @staticmethod
    def of_counts(hits: int, n: int) -> Share:
        """hits of n."""
        none = Share(0, 0, None, None, None)
        return Share(hits, n, hits / n, *wilson(hits / n, n)) if n else none

    def __str__(self) -> str:
        if self.value is None:
            return "unknown"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] of {self.n}"


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
class ForgettingRow:
    """The share of what the base had right on a suite that an arm's trainings cost, with its 95 % interval.

    after: the evaluated trainings that led to it, over which it is the mean. value: negative where more is right; None where
    the base had nothing right. n: completions that are compared.
    """

    arm: str
    suite: str
    after: tuple[str, ...]
    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class FormRow:
    """What became of an arm's completions of a suite.

    malformed: they have no answer, and fail every metric. cut_off: at the token limit, and graded by what is there.
    never_came: missing under every metric.
    """

    arm: str
    suite: str
    completions: int
    malformed: int
    cut_off: int
    never_came: int


# What memory of a device is taken by.
Part = Literal[
    "weights", "gradients", "Adam", "reference", "other models", "16-bit copy", "KV cache", "activations", "logits",
]  # fmt: skip
PARTS: tuple[Part, ...] = Part.__args__  # type: ignore[attr-defined]
# What is there however long the rows are.
HELD: frozenset[Part] = frozenset(("weights", "gradients", "Adam", "reference", "other models"))


@dataclass(frozen=True)
class Moment:
    """What a device holds at the fullest of a kind of work. stage: whose. parts: bytes."""

    stage: str
    parts: Mapping[Part, float]

    @property
    def total(self) -> float:
        """Bytes in all, with completions as long as they may be."""
        return sum(self.parts.values())

    @property
    def of_held(self) -> dict[Part, float]:
        """The parts that are there however long rows and completions are."""
        return {part: size for part, size in self.parts.items() if part in HELD}

    @property
    def held(self) -> float:
        """Bytes of these."""
        return sum(self.of_held.values())


@dataclass(frozen=True)
class KlRow:
    """How far a trained arm is from the base on held-out capability rows: KL(arm ‖ base) in nats a token, with its 95 % interval over rows; of a row alone none is known."""

    arm: str
    value: float
    low: float | None
    high: float | None
    tokens: int
    rows: int


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
class Results:
    """The results of a finished run: metrics, paired differences, costs, and what they rest on.

    alarms: what makes the results unfit to be relied on, such as missing ones; forgotten: what was lost beyond the bounds that
    the config sets, of forgetting and of kl, on held-out rows. spec_versions: of the policy
    as a whole ('principles'), where it has one, and of each category.
    """

    rows: Sequence[MetricRow]
    pairs: Sequence[PairRow]
    stages: Sequence[StageRow]
    alarms: Sequence[str]
    elapsed_s: float
    version: str
    spec_sha256: str
    spec_versions: Mapping[str, str]
    templates_sha256: str
    config_sha256: str
    forms: Sequence[FormRow] = field(default=(), kw_only=True)
    forgetting: Sequence[ForgettingRow] = field(default=(), kw_only=True)
    forgotten: Sequence[str] = field(default=(), kw_only=True)
    kl: Sequence[KlRow] = field(default=(), kw_only=True)

    def as_json(self) -> dict[str, Any]:
        """The same as a JSON value."""
        return asdict(self)


@dataclass(frozen=True)
class JudgeErrors:
    """A judge beside people. sensitivity: of failing answers, the share that it fails; specificity: of passing ones, that it passes."""

    sensitivity: Share
    specificity: Share

    @property
    def agreement(self) -> Share:
        """Of all labelled answers, the share of which it says what people say."""
        both = (self.sensitivity, self.specificity)
        return Share.of_counts(sum(each.hits for each in both), sum(each.n for each in both))

    @property
    def kappa(self) -> float | None:
        """Cohen's; None where both say one thing throughout."""
        failing, passing = self.sensitivity.n, self.specificity.n
        n = failing + passing
        fails = self.sensitivity.hits + passing - self.specificity.hits
        by_chance = (failing * fails + passing * (n - fails)) / (n * n) if n else 1.0
        agreed = self.agreement.value or 0.0
        return None if by_chance >= 1 else (agreed - by_chance) / (1 - by_chance)


class CardBin(NamedTuple):
    """Labelled answers with scores from low to high: their mean score, and the share that people pass."""

    low: float
    high: float
    mean: float
    passing: Share


class Corrected(NamedTuple):
    """A rate as the judge measured it, and what that stands for, with the ends of its 95 % interval; None: the card's judge tells nothing.

    measured: of the answers that the judge has seen; a malformed completion, which fails by its form, is not among them.
    prompts: on so many, which is what the interval takes as independent. value: by the judge's errors; by_labels: the same
    with its interval by the labelled answers as a draw of these; None: too few.
    """

    arm: str
    suite: str
    metric: str
    measured: float
    prompts: int
    value: float | None
    low: float | None
    high: float | None
    by_labels: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class CardContent:
    """What the card of a run's judge says, and what it makes of the rates that the judge measured.

    judge: of which it is. errors: of a judge that is asked judge_k times, as the run's is. raters: how many people
    labelled; None: it does not say. drawn: judgements an answer that the diagram's scores are of; None: it does not say. threshold: the score from which an answer passes, on the scale from low to high.
    """

    judge: str
    errors: JudgeErrors
    judge_k: int
    raters: int | None
    drawn: int | None
    threshold: float
    low: float
    high: float
    diagram: Sequence[CardBin]
    rows: Sequence[Corrected]


class FunnelRow(NamedTuple):
    """How many rows of a category are left after each stage: a bar for each field but the first."""

    category: str
    prompts: int
    completions: int
    well_formed: int
    judged: int
    kept: int
    examples: int


class DropRow(NamedTuple):
    """How many rows a stage dropped for a reason."""

    stage: str
    reason: str
    rows: int


class ShiftRow(NamedTuple):
    """By how much the policy changes what the model does with a category's prompts; means, None where nothing is known.

    known: prompts with scores on both sides, of which the means with and without the policy are. shift: as a share of the
    judge's scale; of_examples: of the prompts that examples are of.
    """

    category: str
    prompts: int
    known: int
    with_policy: float | None
    without_policy: float | None
    shift: float | None
    of_examples: float | None


class FlipRow(NamedTuple):
    """What the policy in sight changes at the tokens that a model writes without it, on prompts of one clause.

    clause: None for prompts without one. flip_rate: the share of the tokens of which another becomes the most likely.
    divergence: the mean of the tokens', in nats.
    """

    category: str
    clause: str | None
    prompts: int
    tokens: int
    flip_rate: float
    divergence: float


class RlStep(NamedTuple):
    """Means over one step of an arm's RL; None where nothing was measured. length: tokens of a completion.

    judge, second: what each judge gives the answers that both have scored; differ: the share of these that one alone passes.
    """

    arm: str
    step: int
    reward: float | None
    truth: float | None
    retrieval: float | None
    length: float | None
    judged_share: float | None
    malformed_share: float | None
    active_groups: float | None
    judge: float | None = None
    second: float | None = None
    differ: float | None = None


class ModelUsed(NamedTuple):
    """A model of the run, by what it did, where it lies and the fingerprint of its files."""

    role: str
    path: str
    fingerprint: str


class JourneyStep(NamedTuple):
    """One station of a row's journey. `text` is model output or user input: untrusted, as are texts in `facts`."""

    stage: str
    row: str
    text: str
    facts: Mapping[str, Scalar]

    @property
    def note(self) -> str:
        """The facts as a line: `sample 1, state ok, score 8`."""
        return ", ".join(f"{name.replace('_', ' ')} {_shown(v)}" for name, v in self.facts.items())


def _shown(value: Scalar) -> str:
    return "missing" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


class JourneyRow(NamedTuple):
    """A prompt and what became of it; `row_id` is the row that was asked for. Texts are untrusted."""

    row_id: str
    category: str
    prompt: str
    steps: Sequence[JourneyStep]


class SubScoreRow(NamedTuple):
    """Means of the judge's sub-scores, on its scale, over `count` judged rows; None where none was given."""

    where: str
    means: Mapping[str, float | None]
    judged: int


class AdmissionRow(NamedTuple):
    """The judge on the golden cases of a category, or of a ruling.

    sensitivity: of failing answers, those that it fails; specificity: of passing ones, those that it passes. margin: of its
    balanced accuracy over the best judge that reads no policy.
    """

    where: str
    cases: int
    agreement: Share
    sensitivity: Share
    specificity: Share
    margin: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class ReportContent(Results):
    """What a report shows: a run's results and what they rest on. Empty lists stand for stages that did not run.

    Texts of models and of data sets in here are untrusted; the page escapes whatever it shows.
    created: when the report was written, ISO 8601. probes: a sentence for each thing that the template probe found.
    scores: completions by their aggregated score; states: single judgements by theirs. sub_scores, violated: what the
    judge gave beside; judgements that found a clause violated, by its id. admission: of the judge; again: on golden cases while it
    rewarded, a sentence an arm. card: the judge beside people; None where the run has none. losses: (step, loss) of each arm of SFT.
    distilled: (step, divergence in nats a token, flip rate) of each arm of distillation; flips: before its first step.
    warnings: what a reader must know beside the results.
    """

    title: str
    created: str
    config_toml: str
    models: Sequence[ModelUsed]
    probes: Sequence[str]
    seed: int
    command: str
    funnel: Sequence[FunnelRow]
    drops: Sequence[DropRow]
    shifts: Sequence[ShiftRow]
    scores: Mapping[float, int]
    states: Mapping[str, int]
    sub_scores: Sequence[SubScoreRow]
    violated: Mapping[str, int]
    admission: Sequence[AdmissionRow]
    again: Sequence[str]
    curves: Sequence[RlStep]
    losses: Mapping[str, Sequence[tuple[int, float]]]
    journeys: Sequence[JourneyRow]
    warnings: Sequence[str]
    card: CardContent | None = field(default=None, kw_only=True)
    distilled: Mapping[str, Sequence[tuple[int, float, float]]] = field(
        default_factory=dict, kw_only=True
    )
    flips: Sequence[FlipRow] = field(default=(), kw_only=True)
