"""Whether a training has found what its judge pays for and the truth does not, as its rollouts tell."""

from __future__ import annotations

from collections.abc import Iterator

from dalign.drift import onset
from dalign.records.record import Record
from dalign.vocabulary import trained_by


def onsets(record: Record) -> Iterator[str]:
    """A sentence for each arm of RL whose judge pays more and more for answers that the truth finds no better."""
    for arm in trained_by("rl"):
        stage = record.stage(f"rl/{arm}")
        if stage.manifest() is None:
            continue
        rows = stage.table().frame(["step", "judge", "truth", "answer"])
        if found := onset(rows.rename({"truth": "other"})):
            grown = f"; what has grown with it is {found.feature}" if found.feature else ""
            yield f"Arm {arm}: from step {found.began} on, answers are right less often, by {found.excess:.2f}, than their scores meant before (told at step {found.step}){grown}: the policy may have learned to please the judge."
