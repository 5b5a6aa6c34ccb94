"""A transformers model in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dalign import config
from dalign.errors import InputError
from dalign.models.checkpoint import (
    check_checkpoint,
    check_ids,
    check_weights,
    ids_of,
    import_transformers,
    load_model,
    load_tokenizer,
    positions_in,
    texts_of,
)
from dalign.models.devices import settled
from dalign.models.ends import end_ids, ends_of
from dalign.models.fingerprint import fingerprint
from dalign.models.protocol import (
    Drawn,
    EngineKind,
    Machine,
    Reply,
    Request,
    Sampling,
    fingerprint_of,
    unheard,
)
from dalign.models.reasoning import THINK
from dalign.models.render import Renderer
from dalign.rows import Message

if TYPE_CHECKING:
    from dalign.models.decoding import Decoded


class LocalEngine:
    """Completes conversations with a transformers model of any architecture that has a key-value cache.

    A reply's text is what the model wrote: where the chat template opens the reasoning, the opening tag
    belongs to the prompt. The model may be one in training; see `decode`.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        batch_size: int,
        fingerprint: str,
        reasoning: config.Reasoning = THINK,
        day: date | None = None,
    ) -> None:
        """batch_size: completions side by side. fingerprint: a hash of the model's weights and tokenizer. day: see `Renderer`."""
        self.model, self.tokenizer = model, tokenizer
        self.batch_size, self.fingerprint = batch_size, fingerprint
        self.say: Callable[[str], None] = lambda _: None
        self.going = unheard
        self.renderer = Renderer(tokenizer, reasoning, day)
        self.end_ids = end_ids(ends_of(model), self.renderer)

    def _tell(self, rows: float, tokens: int) -> None:
        # By its attribute: who hears it may change from stream to stream.
        self.going(rows, tokens, "")

    @property
    def control_tokens(self) -> tuple[str, ...]:
        """See `Renderer.marks`."""
        return self.renderer.marks

    @property
    def reasoning(self) -> config.Reasoning:
        """As the config or the chat template has it."""
        return self.renderer.reasoning

    @property
    def opens_reasoning(self) -> bool:
        """As the chat template has it."""
        return self.renderer.opens_reasoning

    def prompt_ids(self, conversations: Sequence[tuple[Message, ...]]) -> list[list[int]]:
        """The token ids of each conversation, generation prompt included. Equal ones are made once.

        Raises InputError, whose `row` is the conversation's place, where the chat template does not write all of it.
        """
        prompts = self.renderer.prompts(conversations)
        distinct = list(dict.fromkeys(prompts))
        if not distinct:
            return []
        ids = dict(zip(distinct, ids_of(self.tokenizer, distinct), strict=True))
        made = [ids[prompt] for prompt in prompts]
        if (row := next((row for row, each in enumerate(made) if not each), None)) is not None:
            said = "the checkpoint's tokenizer makes no token of its prompt; copy its tokenizer's files again"
            error = InputError(said, kind="unfit_model")
            error.row = row
            raise error
        return made

    def stream(
        self, requests: Sequence[Request], sampling: Sampling, done: AbstractSet[str] = frozenset()
    ) -> Iterator[list[Reply]]:
        """Replies, a batch at a time, shortest prompts first; first of all those that did not come, for want of room.

        Batches are cut from `requests` alone: one whose ids are all in `done` is skipped, one that is
        partly done runs whole and yields what is missing.
        Raises InputError for a prompt that the chat template does not write as a whole, before anything is generated.
        """
        # Here, as it loads torch, which what asks for an engine's KIND alone does not need.
        from dalign.models.decoding import decode

        try:
            prompts = self.prompt_ids([request.messages for request in requests])
        except InputError as error:
            name = requests[error.row or 0].id
            raise error.worded(f"request {name}: {error}") from error
        # An answer may make a judge's prompt longer than any plan could tell: that row has no reply, the others do.
        tight = {
            i: said
            for i, request in enumerate(requests)
            if (said := self.no_room(request.id, prompts[i], sampling.max_new_tokens))
        }
        order = sorted(set(range(len(requests))) - tight.keys(), key=lambda i: (len(prompts[i]), i))
        batches = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
        refused = [
            Reply(requests[i].id, said, "error", 0)
            for i, said in tight.items()
            if requests[i].id not in done
        ]

        def made(rows: list[int]) -> list[Reply]:
            seeds = [requests[i].seed for i in rows]
            asked = [prompts[i] for i in rows]
            decoded = decode(self.model, asked, seeds, sampling, self.end_ids, self._tell)
            replies = self.replies([requests[i].id for i in rows], decoded, list(map(len, asked)))
            return [reply for reply in replies if reply.id not in done]

        replies = (made(rows) for rows in batches if any(requests[i].id not in done for i in rows))
        return chain([refused] if refused else [], replies)

    def replies(
        self, rows: Sequence[str], decoded: Sequence[Decoded], read: Sequence[int] = ()
    ) -> list[Reply]:
        """What was written for each row, special tokens too: all but the end token. read: the tokens of its prompt.

        `tokens` counts what was generated, the end token included.
        """
        texts = texts_of(self.tokenizer, [d.ids for d in decoded], self.end_ids[0])
        return [
            Reply(
                row,
                text,
                "length" if d.end is None else "stop",
                len(d.written),
                n,
                drawn=Drawn(tuple(d.written), tuple(d.logprobs)) if d.logprobs else Drawn(),
            )
            for row, d, text, n in zip(rows, decoded, texts, read or [0] * len(rows), strict=True)
        ]

    def no_room(self, name: str, prompt: Sequence[int], max_new_tokens: int) -> str:
        """Why a prompt leaves no room for so many tokens in the model's positions; empty where it does.

        Raises InputError for one with a token that the model has no embedding of.
        """
        check_ids(self.model, max(prompt, default=0), f"request {name}: its prompt has")
        limit = positions_in(self.model.config)
        if limit is None or len(prompt) + max_new_tokens <= limit:
            return ""
        return f"request {name}: its prompt has {len(prompt)} tokens, which with max_new_tokens = {max_new_tokens} exceeds the model's {limit} positions; shorten the prompt or lower max_new_tokens"


def _open(model: config.Model, machine: Machine) -> LocalEngine:
    folder, model = Path(model.path), settled(model)
    check_checkpoint(folder)
    import_transformers()
    import torch

    torch.set_num_threads(machine.threads)
    tokenizer = load_tokenizer(folder, model.trust_remote_code)
    loaded_as = (model.dtype, model.device, model.trust_remote_code, model.attention)
    weights = load_model(folder, *loaded_as)
    return LocalEngine(
        weights,
        tokenizer,
        batch_size=model.batch_size,
        fingerprint=_fingerprint(model),
        reasoning=model.reasoning,
        day=model.day,
    )


def _fingerprint(model: config.Model) -> str:
    folder = Path(model.path)
    check_weights(folder)
    attention = () if model.attention == config.USUAL_ATTENTION else (model.attention,)
    return fingerprint_of(model, fingerprint(folder), settled(model).dtype, *attention)


KIND = EngineKind(
    name="transformers",
    writes_open_tag=False,
    renders=True,
    fingerprint_of=_fingerprint,
    open=_open,
    check=lambda model: check_checkpoint(Path(model.path)),
)
