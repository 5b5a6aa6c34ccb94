"""The reward of RL: one number for each completion, or none where the judge gave none.

It is one function on purpose. Trainers sum what is left of several, so that a missing judgement
beside a reward for the form would pay like a bad answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import polars as pl

from dalign.config import Reasoning
from dalign.errors import InputError
from dalign.models.reasoning import parse
from dalign.rows import OK, AnswerToJudge, Prompt
from dalign.train.rl.completeness import Completeness, completeness
from dalign.train.rl.length import length_parts

Judge = Callable[[Sequence[AnswerToJudge]], Sequence[float | None]]


class RewardWeights(NamedTuple):
    """Weights of the parts: finite, not negative, not all 0."""

    judge: float = 1.0
    heuristic: float = 0.0
    format: float = 0.0
    length: float = 0.0


class Form(NamedTuple):
    """A completion as it is read: its status, and its parts where that is `ok`."""

    status: str
    reasoning: str
    answer: str


class Reward(NamedTuple):
    """A completion's reward and what it comes from.

    `status` is its form; `reasoning` and `answer` are empty unless that is `ok`. `value` is None where the judge, whose
    word was asked for, gave none, or where its form is not paid: then the completion is neither good nor bad.
    `completeness` is None without an answer or required sections; `length` (0…1) where no length is paid.
    """

    status: str
    reasoning: str
    answer: str
    judge: float | None
    value: float | None
    completeness: Completeness | None = None
    length: float | None = None


class RewardFunction(Protocol):
    """What pays completions: of each prompt and text beside it, whether that was cut off and how many tokens it has, the reward."""

    weights: RewardWeights

    def __call__(
        self,
        prompts: Sequence[Prompt],
        texts: Sequence[str],
        truncated: Sequence[bool],
        tokens: Sequence[int],
    ) -> list[Reward]:
        """A reward each."""


class CompositeReward:
    """Weighted mean of the judge's score, the completeness, the form and the length, over the parts that a row has.

    A malformed completion has no answer: 0 (or none, by its form), and the judge is not asked, because what it would be
    shown may be reasoning. Equal answers to one prompt are judged once a call.
    """

    def __init__(
        self,
        judge: Judge,
        weights: RewardWeights,
        tags: Reasoning,
        *,
        opened: bool | None = False,
        control: Sequence[str] | None = None,
        unpaid: Sequence[str] = (),
        slack: float = 0.5,
    ) -> None:
        """judge: scores from 0 to 1, or None for what it could not judge. opened, control: see `parse`.

        unpaid: forms of malformed completions that have no reward. slack: see `length.length_parts`.
        """
        if not all(math.isfinite(part) and part >= 0 for part in weights) or sum(weights) == 0:
            said = f"the reward's weights {tuple(weights)} pay for nothing; set rl.judge_weight or another above 0"
            raise InputError(said, kind="not_valid")
        self.judge, self.weights, self._tags = judge, weights, tags
        self._opened, self._control = opened, control
        self.unpaid, self.slack = tuple(unpaid), slack

    def __call__(
        self,
        prompts: Sequence[Prompt],
        texts: Sequence[str],
        truncated: Sequence[bool],
        tokens: Sequence[int],
    ) -> list[Reward]:
        """The reward of each completion text of the prompt beside it."""
        columns = pl.Series(texts, dtype=pl.String), pl.Series(truncated, dtype=pl.Boolean)
        parsed = parse(*columns, self._tags, opened=self._opened, control=self._control)
        forms = [Form(*row) for row in parsed.select(Form._fields).iter_rows()]
        scores, lengths = self._scores(prompts, forms), self._lengths(prompts, forms, tokens)
        return [self._reward(*row) for row in zip(prompts, forms, scores, lengths, strict=True)]

    def _lengths(
        self, prompts: Sequence[Prompt], forms: Sequence[Form], tokens: Sequence[int]
    ) -> list[float] | list[None]:
        if self.weights.length == 0:
            return [None] * len(forms)
        categories, counts = [p.category for p in prompts], [form.status == OK for form in forms]
        return length_parts(tokens, categories, counts, self.slack)

    def _scores(self, prompts: Sequence[Prompt], forms: Sequence[Form]) -> list[float | None]:
        if self.weights.judge == 0:
            return [None] * len(forms)
        answers = {
            i: AnswerToJudge(prompt.id, prompt.category, prompt.messages, form.answer)
            for i, (prompt, form) in enumerate(zip(prompts, forms, strict=True))
            if form.status == OK
        }
        questions = {(a.prompt_id, a.answer): a for a in answers.values()}
        given = list(self.judge(list(questions.values()))) if questions else []
        if len(given) != len(questions):
            said = f"the judge gave {len(given)} scores for {len(questions)} answers; it must give one for each"
            raise InputError(said, kind="wrong_replies")
        scores = dict(zip(questions, given, strict=True))
        for (prompt_id, _), score in scores.items():
            if score is not None and not 0.0 <= score <= 1.0:
                said = f"the judge scored an answer to prompt {prompt_id} with {score}; scale its scores to 0…1"
                raise InputError(said, kind="not_valid")
        of_each = {i: scores[a.prompt_id, a.answer] for i, a in answers.items()}
        return [of_each.get(i) for i in range(len(forms))]

    def _reward(
        self, prompt: Prompt, form: Form, score: float | None, length: float | None
    ) -> Reward:
        if form.status != OK:
            return Reward(form.status, "", "", None, None if form.status in self.unpaid else 0.0)
        sections, in_order = prompt.required_sections, prompt.sections_in_order
        complete = completeness(form.answer, sections, in_order=in_order)
        parts = [
            (self.weights.judge, score), (self.weights.format, 1.0), (self.weights.length, length),
        ]  # fmt: skip
        if complete is not None:
            parts.append((self.weights.heuristic, complete.value))
        used = [(weight, part) for weight, part in parts if weight > 0]
        known = [weight * part for weight, part in used if part is not None]
        is_whole = used and len(known) == len(used)
        value = sum(known) / sum(weight for weight, _ in used) if is_whole else None
        return Reward(*form, score, value, complete, length)
