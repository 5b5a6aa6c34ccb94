"""The judge as a reward for trainers of others: TRL's reward functions and verl's `compute_score`.

As in a run of dalign, the judge is handed answers alone (paper 2.4), and equal pairs of prompt and answer once.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dalign.config import Reasoning
from dalign.errors import InputError, did_you_mean
from dalign.files import chat
from dalign.judge.answers import AnswerJudge
from dalign.models.reasoning import THINK, after_reasoning
from dalign.rows import AnswerToJudge, Message, prompt_id
from dalign.text import storable

JUDGED, UNJUDGED, UNCLOSED, EMPTY = "judged", "unjudged", "unclosed", "empty"


class JudgeReward:
    """What a judge pays for completions, from 0 to 1; None where it gave no score: a trainer must not take that for a 0.

    states: how many completions were `judged`, `unjudged`, without an end of their reasoning (`unclosed`) or without an
    answer (`empty`).
    """

    def __init__(
        self,
        judge: AnswerJudge,
        categories: Sequence[str],
        *,
        reasoning: Reasoning = THINK,
        opened: bool = False,
        unanswered: float | None = 0.0,
    ) -> None:
        """categories: of the policy. reasoning: how completions hold theirs; opened: whether the prompt opens it.

        unanswered: what a completion without an answer gets.
        """
        self._judge, self._categories = judge, tuple(categories)
        self._reasoning, self._opened, self._unanswered = reasoning, opened, unanswered
        self._one_at_a_time = threading.Lock()
        self.states = Counter[str]()

    def scores(
        self,
        conversations: Sequence[Sequence[Message]],
        completions: Sequence[str],
        categories: Sequence[str],
    ) -> list[float | None]:
        """The reward of each completion. Raises InputError for a category that the policy does not have."""
        for name in categories:
            if name not in self._categories:
                said = f"no category {name!r} in the policy; {did_you_mean(name, self._categories)}"
                raise InputError(said, kind="unknown_category", value=name)
        answers = [self._answer_of(text) for text in completions]
        asked = [
            _asked(turns, category, answer)
            for turns, category, answer in zip(conversations, categories, answers, strict=True)
            if answer
        ]
        with self._one_at_a_time:
            judged = iter(self._judge(asked))
            found: list[float | None] = []
            for answer in answers:
                if answer:
                    found.append(score := next(judged))
                    self.states[UNJUDGED if score is None else JUDGED] += 1
                else:
                    found.append(self._unanswered)
                    self.states[UNCLOSED if answer is None else EMPTY] += 1
        return found

    def trl(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        category: Sequence[str] | None = None,
        **_: Any,
    ) -> list[float | None]:
        """A reward function of TRL: `reward_funcs=[reward.trl]`. The dataset has a column `category`; prompts are texts or conversations."""
        if category is None:
            said = "the judge needs to know each prompt's category; give the dataset a column 'category' (dalign export RUN OUT --form trl --what rl writes one)"
            raise InputError(said, kind="missing_key", key="category")
        texts = [_text_of(each) for each in completions]
        return self.scores([_turns_of(each) for each in prompts], texts, category)

    async def trl_async(
        self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any
    ) -> list[float | None]:
        """The same, beside other rewards: TRL waits for all of them at once."""
        return await asyncio.to_thread(self.trl, prompts, completions, **columns)

    def verl(
        self,
        data_source: str,
        solution_str: str,
        ground_truth: object = None,
        extra_info: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        """verl's `compute_score`: `score`, and beside it `judged`, 0 where the judge gave no score: verl has no None, so that row is paid nothing.

        extra_info: has the prompt's `category`, and its turns under `prompt` or `messages`.
        """
        told = extra_info or {}
        turns = told.get("prompt", told.get("messages"))
        if turns is None or "category" not in told:
            said = f"data source {data_source!r}: extra_info needs 'category', and the turns of the conversation under 'prompt'; it has {', '.join(map(str, told)) or 'nothing'}"
            raise InputError(said, kind="missing_key", key="extra_info")
        score = self.scores([_turns_of(turns)], [solution_str], [told["category"]])[0]
        return {"score": score or 0.0, "judged": float(score is not None)}

    async def verl_async(self, *given: Any, **named: Any) -> dict[str, Any]:
        """The same, beside others."""
        return await asyncio.to_thread(self.verl, *given, **named)

    def _answer_of(self, completion: str) -> str | None:
        """What stands after the reasoning; None where that is not closed."""
        said = after_reasoning(storable(completion), self._reasoning, opened=self._opened)
        return None if said is None else said.strip()


def _asked(turns: Sequence[Message], category: str, answer: str) -> AnswerToJudge:
    messages = tuple(turns)
    return AnswerToJudge(prompt_id(category, messages), category, messages, answer)


def _turns_of(prompt: Any) -> list[Message]:
    """The turns of a prompt: a text is the user's."""
    if isinstance(prompt, str):
        return [Message(role="user", content=prompt)]
    listed = prompt.tolist() if hasattr(prompt, "tolist") else prompt
    found = [turn for turn in chat.turns_of(listed) or [] if isinstance(turn, dict)]
    return [Message(role=str(t["role"]), content=str(t["content"] or "")) for t in found]


def _text_of(completion: Any) -> str:
    """A completion as the model wrote it: a text, or an assistant's turn."""
    if isinstance(completion, str):
        return completion
    return "".join(turn["content"] for turn in _turns_of(completion))
