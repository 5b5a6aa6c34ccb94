"""What a report shows, as plain values: the page needs nothing else, and reads no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class ReportContent:
    """A run's results and what they rest on. Empty lists stand for stages that did not run.

    Texts of models and of data sets in here are untrusted; the page escapes whatever it shows.
    """

    title: str
    # When the report was written, ISO 8601.
    created: str
    config_toml: str
    # Each a role, a path and a fingerprint.
    models: Sequence[tuple[str, str, str]]
    # One sentence for each thing that the template probe found.
    probes: Sequence[str]
    seed: int
    command: str
    # category, prompts, completions, well_formed, judged, kept, examples
    funnel: Sequence[Row]
    # stage, reason, count
    drops: Sequence[Row]
    # score, count: of whole completions (the minimum over their judgements)
    score_histogram: Sequence[Row]
    # state, count: of single judgements
    states: Sequence[Row]
    # arm, step, reward, truth, retrieval, length, judged_share, malformed_share, active_groups;
    # each but arm and step may be None
    curves: Sequence[Row]
    # arm, step, loss
    sft_curve: Sequence[Row]
    # row_id, category, prompt, steps: (stage, text, note)
    journeys: Sequence[Row]
    warnings: Sequence[str]
    # arm, suite, metric, grader, value, low, high, n, seed, rows_path; value None = not measured
    rows: Sequence[Row]
    # paired differences: see dalign.evaluate.metrics.paired_rows
    pairs: Sequence[Row]
    # stage, variant, wall_s, cpu_s, peak_rss_mib, rows_in, rows_out; costs may be None
    stages: Sequence[Row]
    elapsed_s: float
    version: str
    spec_sha256: str
    # The version of the policy as a whole ('principles'), where it has one, and of each category.
    spec_versions: Mapping[str, str]
    templates_sha256: str
    config_sha256: str
