"""What a report shows, as plain values: the page needs nothing else, and reads no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dalign.figures import (
    DropRow,
    FunnelRow,
    JourneyRow,
    MetricRow,
    ModelUsed,
    PairRow,
    RlStep,
    ScoreCount,
    SftStep,
    StageRow,
    StateCount,
)


@dataclass(frozen=True)
class ReportContent:
    """A run's results and what they rest on. Empty lists stand for stages that did not run.

    Texts of models and of data sets in here are untrusted; the page escapes whatever it shows.
    """

    title: str
    # When the report was written, ISO 8601.
    created: str
    config_toml: str
    models: Sequence[ModelUsed]
    # One sentence for each thing that the template probe found.
    probes: Sequence[str]
    seed: int
    command: str
    funnel: Sequence[FunnelRow]
    drops: Sequence[DropRow]
    # Of whole completions: the minimum over their judgements.
    score_histogram: Sequence[ScoreCount]
    # Of single judgements.
    states: Sequence[StateCount]
    curves: Sequence[RlStep]
    sft_curve: Sequence[SftStep]
    journeys: Sequence[JourneyRow]
    # What makes the results unfit to be relied on, such as missing ones: it stands above them.
    alarms: Sequence[str]
    # What a reader must know beside the results.
    warnings: Sequence[str]
    rows: Sequence[MetricRow]
    pairs: Sequence[PairRow]
    stages: Sequence[StageRow]
    elapsed_s: float
    version: str
    spec_sha256: str
    # The version of the policy as a whole ('principles'), where it has one, and of each category.
    spec_versions: Mapping[str, str]
    templates_sha256: str
    config_sha256: str
