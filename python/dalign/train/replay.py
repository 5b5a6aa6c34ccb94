"""The loss on SFT rows that RL adds to its own, so that what SFT taught is kept. Imports torch.

Axes: K replayed row, T token, N trained token, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dalign.errors import InputError
from dalign.kernels.token_logprobs import token_logprobs
from dalign.rows import IGNORED
from dalign.train.rl import ReplayRow


def check_replay(rows: Sequence[ReplayRow]) -> None:
    """Checks that each row has a label for every token and trains on one of them."""
    for position, (ids, labels) in enumerate(rows):
        if len(ids) != len(labels):
            raise InputError(
                f"replay row {position} has {len(ids)} tokens and {len(labels)} labels; pack the "
                "examples again"
            )
        if all(label == IGNORED for label in labels[1:]):
            raise InputError(f"replay row {position} trains on no token; pack the examples again")


def replay_loss(model: Any, rows: Sequence[ReplayRow]) -> Tensor:
    """Mean cross-entropy, in nats, over the trained tokens of all rows: a scalar with gradients."""
    width = max(len(ids) for ids, _ in rows)
    device = next(model.parameters()).device
    ids_KT = torch.zeros(len(rows), width, dtype=torch.long)
    labels_KT = torch.full((len(rows), width), IGNORED)
    mask_KT = torch.zeros(len(rows), width, dtype=torch.long)
    for k, (ids, labels) in enumerate(rows):
        ids_KT[k, : len(ids)] = torch.as_tensor(ids)
        labels_KT[k, : len(ids)] = torch.as_tensor(labels)
        mask_KT[k, : len(ids)] = 1
    output = model(input_ids=ids_KT.to(device), attention_mask=mask_KT.to(device), use_cache=False)
    trained_KT = labels_KT[:, 1:].to(device) != IGNORED
    logits_NV = output.logits[:, :-1][trained_KT]
    return -token_logprobs(logits_NV, labels_KT[:, 1:].to(device)[trained_KT]).mean()
