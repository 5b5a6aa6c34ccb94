"""The token loop: a batch of prompts, left-padded, to the tokens that the model continues them with.

Axes: U distinct prompts, B completions, R completions still running, T token, N new token, V vocabulary.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from dalign.errors import InputError
from dalign.models.protocol import Sampling

# Random numbers drawn from a row's stream at a time; keys and values by which a full buffer grows.
UNIFORMS_AT_ONCE = 128
ROOM_TOKENS = 128
# What forward calls its cache: since transformers 5.24, and before it or in a checkpoint's own code.
CACHE_NAMES = ("cache", "past_key_values")


class Decoded(NamedTuple):
    """One completion's tokens. end: the token with which the model stopped by itself; it is not among `ids`.

    logprobs: of all that was written, where they were asked for; see `protocol.Drawn`.
    """

    ids: list[int]
    end: int | None
    logprobs: Sequence[float] = ()

    @property
    def written(self) -> list[int]:
        """All that was generated, the end token included."""
        return self.ids if self.end is None else [*self.ids, self.end]


class GrowingLayer(DynamicLayer):
    """Keys and values in buffers with room ahead: a step writes one token and copies no other."""

    def __init__(self) -> None:
        super().__init__()
        # Of the keys and of the values; none before the first are written.
        self._rooms: list[Tensor] = []

    def update(
        self, key_states: Tensor, value_states: Tensor, *_args: object, **_kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """All keys and values so far, the new ones at the end."""
        end = self.get_seq_length() + key_states.shape[-2]
        pairs = zip(self._rooms or (None, None), (key_states, value_states), strict=True)
        self._rooms = [_written(room, new, end) for room, new in pairs]
        self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True
        self.keys, self.values = (room[..., :end, :] for room in self._rooms)
        return self.keys, self.values

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Keeps these rows, in this order; a row may come several times."""
        if self._rooms:
            end = self.get_seq_length()
            self._rooms = [_rows(room, beam_idx, end) for room in self._rooms]
            self.keys, self.values = (room[..., :end, :] for room in self._rooms)


def _written(room: Tensor | None, new: Tensor, end: int) -> Tensor:
    """The buffer with `new` written up to `end`; a larger one where it does not fit."""
    start = end - new.shape[-2]
    if room is None or room.shape[-2] < end:
        larger = new.new_empty(*new.shape[:-2], end + ROOM_TOKENS, new.shape[-1])
        if room is not None:
            larger[..., :start, :] = room[..., :start, :]
        room = larger
    room[..., start:end, :] = new
    return room


def _rows(room: Tensor, rows_R: Tensor, end: int) -> Tensor:
    """A buffer of the same capacity that holds only these rows."""
    chosen = room.new_empty(len(rows_R), *room.shape[1:])
    chosen[..., :end, :] = room[..., :end, :].index_select(0, rows_R)
    return chosen


class Draws:
    """Each row's own uniform numbers, from a counter-based stream keyed by its seed: no other row moves them."""

    def __init__(self, seeds: Sequence[int], device: torch.device) -> None:
        self._streams = [np.random.Generator(np.random.Philox(key=seed % 2**128)) for seed in seeds]
        self._device = device
        self._uniforms_BN = torch.empty(len(seeds), 0)

    def at(self, step: int, rows_R: Tensor) -> Tensor:
        """The uniforms in [0, 1) of these rows' `step`-th token. Steps are asked for in order."""
        column = step % UNIFORMS_AT_ONCE
        if column == 0:
            block = np.empty((len(self._streams), UNIFORMS_AT_ONCE), dtype=np.float32)
            for row in rows_R.tolist():
                block[row] = self._streams[row].random(UNIFORMS_AT_ONCE, dtype=np.float32)
            self._uniforms_BN = torch.from_numpy(block).to(self._device)
        return self._uniforms_BN[rows_R, column]


def draw_tokens(logits_RV: Tensor, uniforms_R: Tensor, sampling: Sampling) -> Tensor:
    """One token a row: the inverse of the cumulative distribution at the row's uniform number.

    With top_p, the distribution is cut to the most likely tokens whose mass reaches top_p.
    """
    probs_RV = (logits_RV.float() / sampling.temperature).softmax(dim=-1)
    order_RV = None
    if sampling.top_p < 1.0:
        probs_RV, order_RV = probs_RV.sort(dim=-1, descending=True, stable=True)
        mass_before_RV = probs_RV.cumsum(dim=-1) - probs_RV
        probs_RV = probs_RV.masked_fill(mass_before_RV >= sampling.top_p, 0.0)
    cumulated_RV = probs_RV.cumsum(dim=-1)
    at_R1 = uniforms_R[:, None] * cumulated_RV[:, -1:]
    last = logits_RV.shape[-1] - 1
    # The clamp matters only where rounding leaves the last sum below an earlier one.
    token_R1 = torch.searchsorted(cumulated_RV, at_R1, right=True).clamp_(max=last)
    return (token_R1 if order_RV is None else order_RV.gather(-1, token_R1))[:, 0]


def decode(
    model: Any,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[int],
    sampling: Sampling,
    end_ids: Sequence[int],
    tell: Callable[[float, int], None] = lambda _rows, _tokens: None,
) -> list[Decoded]:
    """The completions of these prompts' token ids, in their order, made side by side.

    `seeds`: one a prompt. tell: gets the rows done and the tokens drawn with each step; a row in work counts by its share of the steps. Equal prompts are read once. A model in training is switched to eval meanwhile.
    Raises InputError where the model's logits are not finite.
    """
    if not prompts:
        return []
    with _evaluating(model):
        running = _Running(model, prompts, seeds, sampling, end_ids)
        for step in range(sampling.max_new_tokens):
            goes_on = running.advance(step)
            done = len(prompts) - running.left
            tell(done + running.left * (step + 1) / sampling.max_new_tokens, running.drawn)
            if not goes_on:
                break
    return running.results()


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Eval mode without gradients; afterwards every module is as it was."""
    trained = [module for module in model.modules() if module.training]
    # A module in training may keep what is computed here (rotary tables), and autograd refuses inference tensors.
    without_gradients = torch.no_grad() if trained else torch.inference_mode()
    model.eval()
    try:
        with without_gradients:
            yield
    finally:
        for module in trained:
            module.training = True


def forward_options(model: Any) -> frozenset[str]:
    """The names of the arguments that the architecture's forward takes."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return frozenset(inspect.signature(base.forward).parameters)


class _Running:
    """A batch on its way. Finished rows are dropped once they are a quarter of it."""

    def __init__(
        self,
        model: Any,
        prompts: Sequence[Sequence[int]],
        seeds: Sequence[int],
        sampling: Sampling,
        end_ids: Sequence[int],
    ) -> None:
        self.model, self.sampling = model, sampling
        count, longest, device = len(prompts), sampling.max_new_tokens, model.device
        self.options = forward_options(model)
        self.cache_names = [name for name in CACHE_NAMES if name in self.options]
        if not self.cache_names:
            said = f"{type(model).__name__} has no key-value cache, which generating with engine 'transformers' needs; serve it and use engine 'openai'"
            raise InputError(said, kind="unfit_model")
        # Rows that have not ended, and tokens of all.
        self.left, self.drawn = count, 0
        self.rows_R = torch.arange(count, device=device)
        self.ended_R = torch.zeros(count, dtype=torch.bool, device=device)
        self.finite_R = torch.ones(count, dtype=torch.bool, device=device)
        self.finite_B = self.finite_R.clone()
        self.tokens_BN = torch.zeros(count, longest, dtype=torch.long, device=device)
        self.logprobs_BN = torch.zeros(
            count, longest if sampling.tells_tokens else 0, device=device
        )
        # Which entry of tokens_BN is the end token; max_new_tokens while there is none.
        self.end_at_B = torch.full((count,), longest, device=device)
        self.draws = Draws(seeds, device)
        self.logits_RV = self._read_prompts(prompts)
        self.is_end_V = torch.zeros(self.logits_RV.shape[-1], dtype=torch.bool, device=device)
        self.is_end_V[[i for i in end_ids if i < len(self.is_end_V)]] = True

    def _read_prompts(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """The logits after each prompt. Equal prompts are read once and their cache rows repeated."""
        place = {key: i for i, key in enumerate(dict.fromkeys(map(tuple, prompts)))}
        distinct = list(place)
        width = max(map(len, distinct))
        ids_UT = torch.zeros(len(distinct), width, dtype=torch.long)
        mask_UT = torch.zeros(len(distinct), width + self.sampling.max_new_tokens, dtype=torch.long)
        for row, prompt in enumerate(distinct):
            ids_UT[row, width - len(prompt) :] = torch.tensor(prompt)
            mask_UT[row, width - len(prompt) :] = 1
        device = self.rows_R.device
        self.mask_RT, self.width = mask_UT.to(device), width
        self.cache: Any = DynamicCache(config=self.model.config)
        self.cache.layers = [
            GrowingLayer() if type(layer) is DynamicLayer else layer for layer in self.cache.layers
        ]
        positions_UT = (self.mask_RT[:, :width].cumsum(dim=-1) - 1).clamp_(min=0)
        logits_UV = self._forward(ids_UT.to(device), positions_UT)
        self.position_R = positions_UT[:, -1]
        rows_B = torch.tensor([place[tuple(prompt)] for prompt in prompts], device=device)
        self.position_R, self.mask_RT = self.position_R[rows_B], self.mask_RT[rows_B]
        if len(distinct) < len(prompts):
            self.cache.reorder_cache(rows_B)
        return logits_UV[rows_B]

    def _forward(self, ids_RT: Tensor, positions_RT: Tensor) -> Tensor:
        known = {"position_ids": positions_RT, "logits_to_keep": 1}
        output = self.model(
            input_ids=ids_RT,
            attention_mask=self.mask_RT[:, : self.width],
            use_cache=True,
            **{self.cache_names[0]: self.cache},
            **{name: value for name, value in known.items() if name in self.options},
        )
        logits: Tensor = output.logits[:, -1]
        return logits

    def advance(self, step: int) -> bool:
        """Draws every row's next token and reads it; false when no row is left."""
        best_R, token_R = self.logits_RV.max(dim=-1)
        self.finite_R &= best_R.isfinite() | self.ended_R
        if self.sampling.temperature > 0:
            token_R = draw_tokens(self.logits_RV, self.draws.at(step, self.rows_R), self.sampling)
        self.tokens_BN[self.rows_R, step] = token_R
        if self.sampling.tells_tokens:
            all_RV = self.logits_RV.float().log_softmax(dim=-1)
            self.logprobs_BN[self.rows_R, step] = all_RV.gather(-1, token_R[:, None])[:, 0]
        ends_R = self.is_end_V[token_R] & ~self.ended_R
        self.end_at_B[self.rows_R[ends_R]] = step
        self.ended_R |= ends_R
        ended = int(self.ended_R.sum())
        self.drawn += self.left
        self.left = len(self.rows_R) - ended
        if ended == len(self.rows_R) or step + 1 == self.sampling.max_new_tokens:
            self.finite_B[self.rows_R] = self.finite_R
            return False
        if 4 * ended >= len(self.rows_R):
            token_R = self._drop_ended(token_R)
        self.width += 1
        self.position_R = self.position_R + 1
        self.logits_RV = self._forward(token_R[:, None], self.position_R[:, None])
        return True

    def _drop_ended(self, token_R: Tensor) -> Tensor:
        """Takes the finished rows out of the batch; returns the tokens of the others."""
        self.finite_B[self.rows_R] = self.finite_R
        kept_R = (~self.ended_R).nonzero()[:, 0]
        for name in ("rows_R", "mask_RT", "position_R", "ended_R", "finite_R"):
            setattr(self, name, getattr(self, name)[kept_R])
        self.cache.reorder_cache(kept_R)
        return token_R[kept_R]

    def results(self) -> list[Decoded]:
        """Every row's tokens up to its end token."""
        if failed := int((~self.finite_B).sum()):
            said = f"the model's logits are not finite for {failed} of {len(self.finite_B)} prompts of a batch; load it with dtype float32 or bfloat16, or lower the learning rate that it was trained with"
            raise InputError(said, kind="not_finite")
        return [
            Decoded(tokens[:end], tokens[end] if end < len(tokens) else None, logprobs[: end + 1])
            for tokens, end, logprobs in zip(
                self.tokens_BN.tolist(),
                self.end_at_B.tolist(),
                self.logprobs_BN.tolist(),
                strict=True,
            )
        ]
