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
from dalign.rows import ROLES, AnswerToJudge, Message, prompt_id
from dalign.text import short, storable
from dalign.vocabulary import FORMS

# Where a turn has its reasoning beside what it says.
_APART = ("reasoning_content", "reasoning", "thinking")
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
        tokenizer: Any = None,
    ) -> None:
        """categories: of the policy. reasoning: how completions hold theirs; opened: whether the prompt opens it.

        unanswered: what a completion without an answer gets. tokenizer: the trained model's, with which completions are
        read from their ids: TRL's texts have no special tokens, and tags of reasoning may be some.
        """
        self._judge, self._categories = judge, tuple(categories)
        self._reasoning, self._unanswered = reasoning, unanswered
        self._opened, self._tokenizer = opened or reasoning.prefilled == "yes", tokenizer
        self._one_at_a_time = threading.Lock()
        self.states = Counter[str]()

    def scores(
        self,
        conversations: Sequence[Sequence[Message]],
        completions: Sequence[str],
        categories: Sequence[str],
    ) -> list[float | None]:
        """The reward of each completion. Raises InputError for a category that the policy does not have."""
        answers = [self._answer_of(text) for text in completions]
        return self._paid(conversations, answers, categories)

    def _paid(
        self,
        conversations: Sequence[Sequence[Message]],
        answers: Sequence[str | None],
        categories: Sequence[str],
    ) -> list[float | None]:
        for name in categories:
            if name not in self._categories:
                said = f"no category {name!r} in the policy; {did_you_mean(str(name), self._categories)}"
                raise InputError(said, kind="unknown_category", value=name)
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
        completion_ids: Sequence[Sequence[int]] | None = None,
        category: Sequence[str] | None = None,
        **_: Any,
    ) -> list[float | None]:
        """A reward function of TRL: `reward_funcs=[reward.trl]`. The dataset has a column `category`; prompts are texts or conversations."""
        if category is None:
            said = "the judge needs to know each prompt's category; give the dataset a column 'category' (dalign export RUN OUT --form trl --what rl writes one)"
            raise InputError(said, kind="missing_key", key="category")
        if self._tokenizer is not None and completion_ids is not None:
            answers = [self._answer_of(self._decoded(ids)) for ids in completion_ids]
        else:
            answers = [self._answer_in(each) for each in completions]
        return self._paid([_turns_of(each) for each in prompts], answers, category)

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
        told = extra_info if isinstance(extra_info, Mapping) else {}
        turns = told.get("prompt", told.get("messages"))
        if turns is None or "category" not in told:
            said = f"data source {data_source!r}: extra_info needs 'category', and the turns of the conversation under 'prompt'; it has {', '.join(map(str, told)) or 'nothing'}"
            raise InputError(said, kind="missing_key", key="extra_info")
        score = self.scores([_turns_of(turns)], [solution_str or ""], [told["category"]])[0]
        return {"score": score or 0.0, "judged": float(score is not None)}

    async def verl_async(self, *given: Any, **named: Any) -> dict[str, Any]:
        """The same, beside others."""
        return await asyncio.to_thread(self.verl, *given, **named)

    def _answer_of(self, completion: str) -> str | None:
        """What stands after the reasoning; None where that is not closed."""
        said = after_reasoning(storable(completion), self._reasoning, opened=self._opened)
        if said is None or self._reasoning.kind != "auto":
            return None if said is None else said.strip()
        # Of a form that nobody named, the prompt may have written the opening tag: no reasoning may be judged.
        for opens, closes in FORMS.values():
            said = said.rpartition(closes)[2]
            if opens in said:
                return None
        return said.strip()

    def _answer_in(self, completion: Any) -> str | None:
        """The same of a completion as TRL has it: a text, or turns, the last of which is the assistant's answer."""
        if isinstance(completion, str):
            return self._answer_of(completion)
        turns = [turn for turn in _listed(completion) if isinstance(turn, Mapping)]
        own = [turn for turn in turns if turn.get("role") == "assistant"]
        if not own:
            return ""
        content = own[-1].get("content")
        text = content if isinstance(content, str) else ""
        is_apart = any(own[-1].get(name) for name in _APART)
        return text.strip() if is_apart else self._answer_of(text)

    def _decoded(self, ids: Sequence[int]) -> str:
        """A completion as the model wrote it, without what ends it."""
        text = str(self._tokenizer.decode(ids, skip_special_tokens=False))
        ends = filter(None, (self._tokenizer.eos_token, self._tokenizer.pad_token))
        for end in tuple(ends) * 2:
            text = text.rstrip().removesuffix(str(end))
        return text


def _asked(turns: Sequence[Message], category: str, answer: str) -> AnswerToJudge:
    messages = tuple(turns)
    return AnswerToJudge(prompt_id(category, messages), category, messages, answer)


def _listed(value: Any) -> list[Any]:
    """A list of what an array, a tuple, a dictionary of messages or a text of JSON holds; nothing where it is none."""
    told = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(told, Mapping):
        told = told.get("messages", [])
    return list(chat.turns_of(list(told) if isinstance(told, tuple) else told) or [])


def _turns_of(prompt: Any) -> list[Message]:
    """The turns of a prompt: a text is the user's. Raises InputError for what is no conversation."""
    if isinstance(prompt, str):
        return [Message(role="user", content=prompt)]
    turns = _listed(prompt)
    for turn in turns:
        is_turn = isinstance(turn, Mapping) and turn.get("role") in ROLES
        if not is_turn or not isinstance(turn.get("content"), str):
            said = f"a prompt has {short(repr(turn))}, which is no turn; a turn has a role ({', '.join(ROLES)}) and content, a text"
            raise InputError(said, kind="bad_field", value=repr(turn))
    if not turns:
        said = f"{short(repr(prompt))} is no prompt; give a text, or a list of turns with role and content"
        raise InputError(said, kind="empty", value=repr(prompt))
    return [Message(role=turn["role"], content=turn["content"]) for turn in turns]
