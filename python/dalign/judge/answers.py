"""RL's judge: it is handed answers alone, and judges equal (prompt, answer) pairs once in a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dalign import _core
from dalign.errors import InputError
from dalign.judge.forms.score import Judging, Question
from dalign.models.protocol import Asked
from dalign.rows import AnswerToJudge
from dalign.store.damage import damaged
from dalign.store.seal import read_sealed, write_sealed


class AnswerJudge:
    """Scores answers from 0 to 1; None: unjudged. Its memory is saved and loaded with the trainer's checkpoints."""

    def __init__(self, judging: Judging, ask: Asked) -> None:
        self._judging, self._ask = judging, ask
        self.states: dict[str, int] = {}
        self._scores: dict[str, float | None] = {}

    def __call__(self, answers: Sequence[AnswerToJudge]) -> list[float | None]:
        """The score of each answer, in order."""
        keys = [_core.row_id([a.prompt_id, a.answer], "answer", 0) for a in answers]
        new = {
            key: Question(a.category, a.messages, a.answer, reasoning=None)
            for key, a in zip(keys, answers, strict=True)
            if key not in self._scores
        }
        if new:
            self._judge(new)
        return [self._scores[key] for key in keys]

    def _judge(self, new: dict[str, Question]) -> None:
        verdicts, scores = self._judging(new, self._ask)
        for state, count in verdicts["state"].value_counts(sort=True).iter_rows():
            self.states[state] = self.states.get(state, 0) + count
        scale = self._judging.scale
        for key, score in scores.select("completion_id", "score").iter_rows():
            self._scores[key] = (
                None if score is None else (score - scale.low) / (scale.high - scale.low)
            )

    def save(self, path: Path) -> None:
        """Writes what it remembers."""
        write_sealed(path, {"scores": self._scores, "states": self.states})

    def load(self, path: Path) -> None:
        """Remembers what was saved; nothing if there is no such file. Raises InputError where it is damaged."""
        if path.is_file():
            try:
                saved = read_sealed(path)
            except InputError as error:
                way_out = "delete it, and the judge is asked again for what it had judged"
                raise damaged(path, error.value, way_out) from error
            self._scores, self.states = dict(saved["scores"]), dict(saved["states"])
