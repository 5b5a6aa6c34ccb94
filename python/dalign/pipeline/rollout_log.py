"""Every rollout of a training, taken down as it comes, with the judge's memory at each checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

import polars as pl

from dalign import _core
from dalign.data.patterns import Patterns
from dalign.evaluate.grades import Graded, truth_grades
from dalign.evaluate.retrieval import METRIC as RETRIEVAL
from dalign.judge.answers import AnswerJudge
from dalign.pipeline.oversight import Oversight
from dalign.pipeline.step_log import StepLog
from dalign.rows import LENGTH, SECOND, Columns, Prompt, RolloutRow, sub_score_column
from dalign.store.folder import StageFolder
from dalign.train.job import Rollout
from dalign.vocabulary import METRICS


class _Memory(Protocol):
    """What is kept beside a checkpoint, and gone on from."""

    def save(self, path: Path) -> None: ...

    def load(self, path: Path) -> None: ...


LOGGED = [metric.name for metric in METRICS.values() if metric.in_training]


class RolloutLog(StepLog):
    """Keeps rollouts and the judge's memory; on a resume, what came after the checkpoint is forgotten."""

    def __init__(
        self,
        folder: StageFolder,
        judge: AnswerJudge,
        patterns: Patterns | None,
        prompts: Mapping[str, Prompt],
        oversight: Oversight | None = None,
        *,
        has_length: bool = False,
    ) -> None:
        """patterns: with labels, they know the truth, which is logged beside the judge's score and decides nothing.

        oversight: looks at each step once it is taken down. has_length: whether the length is paid.
        """
        super().__init__(folder)
        self._judge, self._patterns, self._prompts = judge, patterns, prompts
        self._oversight, self._has_length = oversight, has_length
        self._memories = dict[str, _Memory](judge=judge)
        if oversight is not None:
            self._memories["oversight"] = oversight
            if oversight.second is not None:
                self._memories["second"] = oversight.second
        self.last_reward = "no reward yet"

    def rollouts(self, step: int, rollouts: Sequence[Rollout]) -> None:
        """Takes a step's rollouts down."""
        given = [r.reward.value for r in rollouts if r.reward.value is not None]
        self.last_reward = f"reward {fmean(given):.2f}" if given else "no reward"
        rows = [self._row(step, i, r) for i, r in enumerate(rollouts)]
        if self._oversight is not None:
            self._oversight.beside(step, rows, self._prompts)
        self._journal.append(rows)
        if self._oversight is not None:
            self._oversight.look(step, rows)

    def save(self, step: int) -> None:
        """Keeps the judge's memory beside a checkpoint, and that of who looks on."""
        for name, memory in self._memories.items():
            memory.save(self._memory(step, name))

    def resume(self, step: int) -> None:
        """Goes back to a checkpoint."""
        for name, memory in self._memories.items():
            memory.load(self._memory(step, name))
        kept = self._forget_after(step)
        if self._oversight is not None:
            self._oversight.seen(kept)

    def rows(self) -> pl.DataFrame:
        """All rollouts. Columns: `RolloutRow`, the judge's sub-scores, the second judge's score and what the length was paid by. Of a training that had ended before, those that it left."""
        parts: Columns = {sub_score_column(name): pl.Float64 for name in self._judge.part_names}
        if "second" in self._memories:
            parts = parts | {SECOND: pl.Float64}
        if self._has_length:
            parts = parts | {LENGTH: pl.Float64}
        return self._frame(pl.Schema(RolloutRow.COLUMNS | parts))

    def is_whole(self) -> bool:
        """Whether the rollouts of a training that had ended here are left, with what the judge said last."""
        return super().is_whole() and all(
            any(self._folder.path.glob(f"{name}-*.json")) for name in self._memories
        )

    def done(self, step: int) -> None:
        """Removes what only a resume from before the last step needs: the stage's end may still be killed."""
        for name in self._memories:
            for path in {*self._folder.path.glob(f"{name}-*.json")} - {self._memory(step, name)}:
                path.unlink()

    def _memory(self, step: int, name: str) -> Path:
        return self._folder.path / f"{name}-{step}.json"

    def _row(self, step: int, index: int, rollout: Rollout) -> dict[str, Any]:
        prompt, reward = self._prompts[rollout.prompt_id], rollout.reward
        truth = {}
        if self._patterns is not None:
            row = Graded.of("", "", prompt, reward.status, reward.reasoning, reward.answer)
            truth = {g.metric: g.grade for g in truth_grades(row, self._patterns, LOGGED)}
        retrieved = truth.pop(RETRIEVAL, None)
        return {
            "id": _core.row_id([prompt.id, str(step)], self._folder.variant, index),
            "step": step,
            "prompt_id": prompt.id,
            "category": prompt.category,
            "text": rollout.text,
            "status": reward.status,
            "answer": reward.answer,
            "tokens": rollout.tokens,
            "judge": reward.judge,
            "reward": reward.value,
            "advantage": rollout.advantage,
            "truth": next((truth[name] for name in LOGGED if name in truth), None),
            "retrieved": retrieved,
            **({LENGTH: reward.length} if self._has_length else {}),
            **(reward.completeness.row if reward.completeness is not None else {}),
            **{
                sub_score_column(name): share
                for name, share in self._judge.parts(prompt.id, reward.answer).items()
            },
        }
