"""How far a trained model is from its base on texts that it was not trained on. Imports torch.

Axes: T token of a row, N trained token of it, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from dalign import config
from dalign.models.checkpoint import load_model
from dalign.rows import IGNORED
from dalign.train.divergence import divergences_of_all


def token_divergences(
    base: Path, trained: Path, model: config.Model, rows: Sequence[tuple[list[int], list[int]]]
) -> Iterator[tuple[int, float]]:
    """(trained tokens, KL(trained ‖ base) summed over them, in nats) of each row of tokens and labels (-100: not trained).

    model: as what the checkpoints are loaded, settled; both are in memory at once.
    """
    loaded = (model.dtype, model.device, model.trust_remote_code, model.attention)
    own, start = (load_model(path, *loaded) for path in (trained, base))
    for ids, labels in rows:
        labels_T = torch.tensor(labels)
        # The logits at a position are of the token after it.
        before_N = ((labels_T != IGNORED).nonzero()[:, 0] - 1).to(own.device)
        read = {"input_ids": torch.tensor([ids], device=own.device), "use_cache": False, "logits_to_keep": before_N}  # fmt: skip
        with torch.inference_mode():
            own_NV, start_NV = (each(**read).logits[0].float() for each in (own, start))
            yield len(before_N), float(divergences_of_all(own_NV, start_NV).sum())
