"""The SFT sequences that RL replays, so that what SFT taught is kept: read, checked, their loss.

Axes: K replayed row, T token, N trained token, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dalign.errors import InputError
from dalign.rows import IGNORED
from dalign.store.parts import read_part
from dalign.train.bins import Ints
from dalign.train.draw import draw_replay
from dalign.train.job import ReplayRow

if TYPE_CHECKING:
    from torch import Tensor


def read_replayed(
    parts: Sequence[Path], *, steps: int, per_step: int, seed: int
) -> list[list[ReplayRow]]:
    """Of each step the sequences that it replays, drawn from the packed rows of Parquet files.

    Only what is drawn is kept; a sequence that several steps draw is kept once.
    Raises InputError where there is no row.
    """
    spans = [_sequence_spans(part) for part in parts]
    if not any(map(len, spans)):
        said = f"{', '.join(map(str, parts))}: holds no row to replay; pack some examples or set rl.replay = 0"
        raise InputError(said, kind="empty")
    ends = np.cumsum([len(of_part) for of_part in spans])
    total = int(ends[-1])
    drawn = [draw_replay(total, count=per_step, seed=seed, step=i + 1) for i in range(steps)]
    wanted = np.unique(np.concatenate([*drawn, []]).astype(np.int64))
    read: dict[int, ReplayRow] = {}
    for part, of_part, end in zip(parts, spans, ends, strict=True):
        first = int(end) - len(of_part)
        inside = wanted[(wanted >= first) & (wanted < end)]
        read |= zip(inside.tolist(), _sequences(part, of_part[inside - first]), strict=True)
    return [[read[position] for position in step] for step in drawn]


def _sequence_spans(part: Path) -> Ints:
    """(packed row, first token, end) of each sequence of a file, in order: shape (sequences, 3)."""
    positions = read_part(part, ["position_ids"])["position_ids"]
    lengths = positions.list.len().to_numpy().astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    starts = np.flatnonzero(positions.explode().to_numpy() == 0)
    ends = np.append(starts[1:], offsets[-1])
    rows = np.searchsorted(offsets, starts, side="right") - 1
    return np.stack([rows, starts - offsets[rows], ends - offsets[rows]], axis=1)


def _sequences(part: Path, spans: Ints) -> Iterable[ReplayRow]:
    """The tokens and labels of these sequences of a file; it is not read for none."""
    if not len(spans):
        return
    frame = read_part(part, ["input_ids", "labels"])
    for row, start, end in spans.tolist():
        ids, labels = (
            frame[name][row].slice(start, end - start).to_list() for name in frame.columns
        )
        yield ids, labels


def check_replayed(replayed: Sequence[Sequence[ReplayRow]]) -> None:
    """Checks that each row has a label for every token and trains on one of them."""
    for step, rows in enumerate(replayed, start=1):
        for position, (ids, labels) in enumerate(rows):
            where = f"replayed row {position} of step {step}"
            if len(ids) != len(labels):
                said = f"{where} has {len(ids)} tokens and {len(labels)} labels; pack the examples again"
                raise InputError(said, kind="bad_row")
            if all(label == IGNORED for label in labels[1:]):
                said = f"{where} trains on no token; pack the examples again"
                raise InputError(said, kind="bad_row")


def trained_tokens(rows: Iterable[ReplayRow]) -> int:
    """Tokens of these rows that carry loss."""
    return sum(label != IGNORED for _, labels in rows for label in labels[1:])


def replay_loss(model: Any, rows: Sequence[ReplayRow]) -> Tensor:
    """Mean cross-entropy, in nats, over the trained tokens of all rows: a scalar with gradients."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    from dalign.kernels.token_logprobs import token_logprobs

    def padded(lists: Iterable[Sequence[int]], filler: int) -> Tensor:
        tensors = [torch.as_tensor(row) for row in lists]
        return pad_sequence(tensors, batch_first=True, padding_value=filler).to(device)

    device = next(model.parameters()).device
    ids_KT = padded((ids for ids, _ in rows), 0)
    labels_KT = padded((labels for _, labels in rows), IGNORED)
    mask_KT = padded(([1] * len(ids) for ids, _ in rows), 0)
    output = model(input_ids=ids_KT, attention_mask=mask_KT, use_cache=False)
    targets_KT = labels_KT[:, 1:]
    is_trained_KT = targets_KT != IGNORED
    logits_NV = output.logits[:, :-1][is_trained_KT]
    return -token_logprobs(logits_NV, targets_KT[is_trained_KT]).mean()
