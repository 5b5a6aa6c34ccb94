"""A judge of answers by a policy, for programs that bring prompts and answers of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from dalign import config
from dalign.errors import InputError, did_you_mean
from dalign.judge.answers import AnswerJudge
from dalign.judge.court import Court
from dalign.judge.forms.score import Judging, Question, ScoreForm
from dalign.models.ask import Ask
from dalign.models.protocol import Engine
from dalign.models.reasoning import THINK
from dalign.pipeline.judge_reward import JudgeReward
from dalign.pipeline.judging import sampling_of, scale_of, vetoes
from dalign.rows import Prompt, completion_id
from dalign.spec.templates import load_templates
from dalign.spec.types import Spec
from dalign.text import storable


class Judge:
    """Scores answers by the policy of their prompts' categories, as the stages of a run do (paper 2.3.2)."""

    def __init__(
        self,
        engine: Engine,
        spec: Spec,
        settings: config.Judge | None = None,
        *,
        reasoning: config.Reasoning = THINK,
        seed: int = 0,
    ) -> None:
        """settings: a config's `judge`: how many verdicts an answer, how drawn, how reduced. seed: of the draws.

        reasoning: the tags of the model that judges, as its section of a config says them; nothing between them counts.
        """
        settings = settings or config.Judge()
        self._engine, self._spec, self._hint = engine, spec, settings.hint
        templates, (low, high) = load_templates(spec.folder), (settings.low, settings.high)
        templates.check_scale(low, high)
        scale = replace(scale_of(settings, templates=templates), veto=vetoes(settings, spec))
        self._judging = Judging(
            Court.of(engine, reasoning, seed),
            ScoreForm(spec, templates, low=low, high=high, sub_scores=scale.sub_scores),
            scale,
            sampling_of(settings),
        )

    def scores(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float | None]:
        """The score of each answer to the prompt beside it, between judge.low and judge.high; None: unjudged.

        Raises InputError for a category that the policy does not have, and where the two are not equally many.
        """
        return self._judged(prompts, answers)[1]["score"].to_list()

    def reward(
        self,
        *,
        reasoning: config.Reasoning = THINK,
        opened: bool = False,
        unanswered: float | None = 0.0,
        tokenizer: object = None,
    ) -> JudgeReward:
        """The judge as a reward for trainers of others. reasoning, opened: how the trained model's completions hold theirs; see `JudgeReward`."""
        judge = AnswerJudge(self._judging, Ask(self._engine))
        return JudgeReward(
            judge,
            self._spec.prompt_names,
            reasoning=reasoning,
            opened=opened,
            unanswered=unanswered,
            tokenizer=tokenizer,
        )

    def verdicts(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> pl.DataFrame:
        """The judgements behind the scores, judge.k an answer: columns `Verdict`."""
        return self._judged(prompts, answers)[0]

    def _judged(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        if len(prompts) != len(answers):
            said = f"prompts and answers go in pairs; there are {len(prompts)} and {len(answers)}"
            raise InputError(said, kind="unequal_lengths")
        questions = {
            completion_id(prompt.id, answer, n): self._question(prompt, answer)
            for n, (prompt, answer) in enumerate(zip(prompts, map(storable, answers), strict=True))
        }
        return self._judging(questions, Ask(self._engine))

    def _question(self, prompt: Prompt, answer: str) -> Question:
        known = self._spec.prompt_names
        if prompt.category not in known:
            what = f"no category {prompt.category!r} in {self._spec.folder}"
            said = f"prompt '{prompt.id}': {what}; {did_you_mean(prompt.category, known)}"
            raise InputError(said, kind="unknown_category", value=prompt.category)
        told = prompt.expected.ruling if self._hint and prompt.expected else None
        return Question(prompt.category, prompt.messages, answer, reasoning=None, hint=told)
