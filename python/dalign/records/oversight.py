"""What those found who looked on while a policy was reinforced: the truth, a second judge, the golden cases."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from dalign.drift import USUAL_STEPS, onset
from dalign.figures import Share
from dalign.records.record import Record
from dalign.rows import SECOND
from dalign.store.folder import StageFolder


def _trained(record: Record) -> Iterator[tuple[str, StageFolder]]:
    """The arms of RL that have finished."""
    for arm in record.trained("rl"):
        if (stage := record.stage(f"rl/{arm}")).manifest() is not None:
            yield arm, stage


def onsets(record: Record) -> Iterator[str]:
    """A sentence for each arm of RL whose judge pays more and more for answers that the truth finds no better."""
    for arm, stage in _trained(record):
        rows = stage.table().frame(["step", "judge", "truth", "answer"])
        if found := onset(rows.rename({"truth": "other"})):
            grown = f"; what has grown with it is {found.feature}" if found.feature else ""
            yield f"Arm {arm}: from step {found.began} on, answers are right less often, by {found.excess:.2f}, than their scores meant before (told at step {found.step}){grown}: the policy may have learned to please the judge."


def alarms_of(record: Record) -> Iterator[str]:
    """A sentence for each alarm that was raised in training, and for a second judge that hardly gave a score."""
    for arm, stage in _trained(record):
        counts = stage.recorded("counts")
        for said in counts.get("alarms", []):
            yield f"Arm {arm}: {said}."
        states = counts.get("second_states", {})
        asked, told = sum(states.values()), states.get("ok", 0)
        if asked - told > record.config.evaluate.max_missing * asked:
            yield f"Arm {arm}: of the second judge's {asked} judgements {asked - told} gave no score; that it raised no alarm says little."


def watched(record: Record) -> Iterator[str]:
    """What each arm's training was looked at by, a sentence each: golden cases, and a second judge."""
    for arm, stage in _trained(record):
        counts = stage.recorded("counts")
        if told := counts.get("golden", []):
            shares = [Share.of_counts(row["hits"], row["n"]) for row in told]
            later = ", ".join(
                f"{share.hits} of {share.n} after step {row['step']}"
                for row, share in zip(told[1:], shares[1:], strict=True)
            )
            begun = f"after step {told[0]['step']}" if told[0]["step"] else "before the first step"
            yield f"Arm {arm}: the judge told {shares[0]} golden cases rightly {begun}{f', and {later}' if later else ''}."
        if "second_states" in counts:
            steps = len(two_judges(record, arm))
            short = f"; only after {USUAL_STEPS} can the onset of hacking be told"
            yield f"Arm {arm}: a second judge stood beside the judge at {steps} steps{short if steps <= USUAL_STEPS else ''}."


def two_judges(record: Record, arm: str) -> dict[int, tuple[float, float, float]]:
    """By step: the judge's and the second judge's mean score of what both have scored, and the share that one alone passes."""
    config, rows = record.config, record.stage(f"rl/{arm}").table().scan()
    if SECOND not in rows.collect_schema().names():
        return {}
    low, high = config.judge.low, config.judge.high
    passing = pl.col("judge", SECOND) >= (config.pass_score - low) / (high - low) - 1e-9
    judged = rows.drop_nulls(["judge", SECOND]).with_columns(passing.name.suffix("_passes"))
    differ = pl.col("judge_passes") != pl.col(f"{SECOND}_passes")
    means = judged.group_by("step").agg(
        pl.col("judge", SECOND).mean(), differ.mean().alias("differ")
    )
    return {
        step: (judge, second, share) for step, judge, second, share in means.collect().iter_rows()
    }
