"""Completions behind their prompts as a model reads them, and its logits of their tokens. Imports torch.

Axes: B completion, C completion token, T token of prompt and completion, N scored token, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Padded(NamedTuple):
    """Prompts with completions behind them, side by side; mask_BT is 1 on tokens, scored_BC true on completions'."""

    ids_BT: Tensor
    mask_BT: Tensor
    scored_BC: Tensor


def padded(
    prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], device: Any
) -> Padded:
    """Prompts padded on the left, completions on the right, so that all completions begin at the same place."""
    start, width = max(map(len, prompts)), max(map(len, completions))
    ids_BT = torch.zeros(len(prompts), start + width, dtype=torch.long)
    mask_BT = torch.zeros_like(ids_BT)
    for row, (prompt, written) in enumerate(zip(prompts, completions, strict=True)):
        span = slice(start - len(prompt), start + len(written))
        ids_BT[row, span] = torch.tensor([*prompt, *written])
        mask_BT[row, span] = 1
    ids_BT, mask_BT = ids_BT.to(device), mask_BT.to(device)
    return Padded(ids_BT, mask_BT, mask_BT[:, start:].bool())


def read_inputs(ids_BT: Tensor, mask_BT: Tensor, options: Collection[str]) -> dict[str, Any]:
    """What a model takes to read prompts padded on the left with completions padded on the right.

    options: what its forward takes. As in generation, positions count a row's own tokens: padding on the left moves none.
    """
    inputs = {"input_ids": ids_BT, "attention_mask": mask_BT, "use_cache": False}
    if "position_ids" in options:
        inputs["position_ids"] = (mask_BT.cumsum(dim=-1) - 1).clamp_(min=0)
    return inputs


def completion_logits(model: Any, inputs: dict[str, Any], scored_BC: Tensor) -> Tensor:
    """The logits (N, V) of the scored tokens of completions, which are at the end of the inputs; row after row."""
    width = scored_BC.shape[1]
    # The logits at a position are of the token after it.
    output = model(**inputs, logits_to_keep=width + 1)
    logits_NV: Tensor = output.logits[:, -width - 1 : -1][scored_BC]
    return logits_NV
