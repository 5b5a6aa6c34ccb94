"""What student and teacher read: a prompt without the policy and with it, and the same completion behind both. Imports torch.

Axes: N scored token, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from dalign.errors import InputError
from dalign.models.decoding import decode, forward_options
from dalign.models.engines.local import LocalEngine
from dalign.models.protocol import Reply, Sampling
from dalign.rows import Prompt
from dalign.train.completions import completion_logits, padded, read_inputs
from dalign.train.job import DistillJob


class Written(NamedTuple):
    """A completion that the student wrote: its tokens, the end token among them, behind its prompt and the teacher's."""

    reply: Reply
    tokens: list[int]
    student_prompt: list[int]
    teacher_prompt: list[int]


class Reader:
    """Draws completions of prompts without the policy, and tells a model's logits of them behind either prompt."""

    def __init__(
        self, model: Any, tokenizer: Any, job: DistillJob, prompts: Sequence[Prompt]
    ) -> None:
        """prompts: all that are drawn of. Raises InputError for one that leaves a completion no room with the policy in sight."""
        settings = job.settings
        self.engine = LocalEngine(
            model, tokenizer, batch_size=1, fingerprint="", reasoning=job.reasoning, day=job.day
        )
        self.sampling = Sampling(settings.temperature, settings.max_new_tokens)
        self.options = forward_options(model)
        distinct = list({prompt.id: prompt for prompt in prompts}.values())
        if missing := next((p for p in distinct if p.id not in job.in_sight), None):
            said = f"prompt {missing.id}: there is no policy of its category '{missing.category}' for the teacher to read; give the policy one, or leave its prompts out"
            raise InputError(said, kind="unknown_category", value=missing.category)
        names = [prompt.id for prompt in distinct]
        without = self.engine.prompt_ids([prompt.messages for prompt in distinct])
        in_sight = self.engine.prompt_ids([job.in_sight[name] for name in names])
        self.prompts = dict(zip(names, zip(without, in_sight, strict=True), strict=True))
        for prompt in distinct:
            self._check_room(prompt)

    def _check_room(self, prompt: Prompt) -> None:
        without, in_sight = self.prompts[prompt.id]
        most = self.sampling.max_new_tokens
        said = self.engine.no_room(prompt.id, without, most)
        if not said:
            with_policy = f"{prompt.id} with the policy of '{prompt.category}' in sight"
            said = self.engine.no_room(with_policy, in_sight, most)
            said = said and f"{said}, or shorten the policy, which is never cut"
        if said:
            raise InputError(said, kind="over_long")

    def draw(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> list[Written]:
        """A completion of each, as the model is; what it reads has nothing of the policy."""
        pairs = [self.prompts[prompt.id] for prompt in prompts]
        asked = [without for without, _ in pairs]
        decoded = decode(self.engine.model, asked, seeds, self.sampling, self.engine.end_ids)
        replies = self.engine.replies([prompt.id for prompt in prompts], decoded)
        made = zip(replies, decoded, pairs, strict=True)
        return [Written(reply, each.written, *pair) for reply, each, pair in made]

    def student_logits(self, model: Any, written: Sequence[Written]) -> Tensor:
        """Of the tokens of these completions behind what the student read: (N, V), completion after completion."""
        return self._logits(model, [each.student_prompt for each in written], written)

    def teacher_logits(self, model: Any, written: Sequence[Written]) -> Tensor:
        """Of the same tokens with the policy in sight: (N, V)."""
        return self._logits(model, [each.teacher_prompt for each in written], written)

    def _logits(
        self, model: Any, prompts: Sequence[list[int]], written: Sequence[Written]
    ) -> Tensor:
        made = padded(prompts, [each.tokens for each in written], self.engine.model.device)
        inputs = read_inputs(made.ids_BT, made.mask_BT, self.options)
        return completion_logits(model, inputs, made.scored_BC)
