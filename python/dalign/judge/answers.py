"""RL's judge: it is handed answers alone, and judges equal (prompt, answer) pairs once in a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from dalign import _core
from dalign.errors import InputError
from dalign.judge.forms.score import Judging, Question
from dalign.models.protocol import Asked
from dalign.rows import AnswerToJudge
from dalign.store.damage import damaged
from dalign.store.seal import read_sealed, write_sealed
from dalign.vocabulary import OF_REASONING


class AnswerJudge:
    """Scores answers from 0 to 1; None: unjudged. Its memory is saved and loaded with the trainer's checkpoints."""

    def __init__(self, judging: Judging, ask: Asked) -> None:
        self._judging, self._ask = judging, ask
        self.states: dict[str, int] = {}
        self._scores: dict[str, float | None] = {}
        # By answer, in the order of `part_names`.
        self._parts: dict[str, list[float | None]] = {}
        # Of the reasoning nothing is asked.
        parts = judging.scale.sub_scores
        self.part_names = tuple(name for name in parts if name != OF_REASONING)

    def __call__(self, answers: Sequence[AnswerToJudge]) -> list[float | None]:
        """The score of each answer, in order."""
        keys = [_key(a.prompt_id, a.answer) for a in answers]
        new = {
            key: Question(a.category, a.messages, a.answer, reasoning=None)
            for key, a in zip(keys, answers, strict=True)
            if key not in self._scores
        }
        if new:
            self._judge(new)
        return [self._scores[key] for key in keys]

    def parts(self, prompt_id: str, answer: str) -> dict[str, float | None]:
        """The sub-scores of an answer by `part_names`, from 0 to 1; None where there is none, or it has not been judged."""
        none: list[float | None] = [None] * len(self.part_names)
        given = self._parts.get(_key(prompt_id, answer), none)
        return dict(zip(self.part_names, given, strict=True))

    def _judge(self, new: dict[str, Question]) -> None:
        verdicts, scores = self._judging(new, self._ask)
        for state, count in verdicts["state"].value_counts(sort=True).iter_rows():
            self.states[state] = self.states.get(state, 0) + count
        scale = self._judging.scale
        shares = (pl.col("score", *self.part_names) - scale.low) / (scale.high - scale.low)
        for key, score, *parts in scores.select("completion_id", shares).iter_rows():
            self._scores[key] = score
            if parts:
                self._parts[key] = parts

    def save(self, path: Path) -> None:
        """Writes what it remembers."""
        parts = {"parts": self._parts} if self.part_names else {}
        write_sealed(path, {"scores": self._scores, "states": self.states, **parts})

    def load(self, path: Path) -> None:
        """Remembers what was saved; nothing if there is no such file. Raises InputError where it is damaged."""
        way_out = "delete it, and the judge is asked again for what it had judged"
        if saved := remembered(path, way_out):
            self._scores, self.states = dict(saved["scores"]), dict(saved["states"])
            self._parts = dict(saved.get("parts", {}))


def remembered(path: Path, way_out: str) -> dict[str, Any] | None:
    """What a sealed file beside a checkpoint holds; None where there is none. Raises InputError, with the way out, where it is damaged."""
    if not path.is_file():
        return None
    try:
        found: dict[str, Any] = read_sealed(path)
    except InputError as error:
        raise damaged(path, error.value, way_out) from error
    return found


def _key(prompt_id: str, answer: str) -> str:
    return _core.row_id([prompt_id, answer], "answer", 0)
