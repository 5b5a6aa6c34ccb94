"""How the rows of each step are dealt to the processes that train: the very rows that one process would take.

A process without a row of its own takes a gap: a row that teaches nothing, so that every process makes the same passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from accelerate.data_loader import SeedableRandomSampler
from torch.utils.data import Sampler


class StepSampler(Sampler[int]):
    """Rows in the order in which one process takes them, each step's filled up with gaps to a multiple of the processes.

    Row i of it goes to process i modulo their number (accelerate's `BatchSamplerShard`). The gap is the row after the last one.
    """

    def __init__(self, rows: int, rows_per_step: int, processes: int, seed: int) -> None:
        self.order = SeedableRandomSampler(range(rows), data_seed=seed)
        self.gap, self.rows_per_step, self.processes = rows, rows_per_step, processes

    def set_epoch(self, epoch: int) -> None:
        """Begins with this epoch, counted from 0."""
        self.order.set_epoch(epoch)

    def __len__(self) -> int:
        """Rows of an epoch, gaps among them."""
        steps, rest = divmod(self.gap, self.rows_per_step)
        return steps * self._filled(self.rows_per_step) + self._filled(rest)

    def __iter__(self) -> Iterator[int]:
        order = iter(self.order)
        while step := list(islice(order, self.rows_per_step)):
            yield from step
            yield from [self.gap] * (self._filled(len(step)) - len(step))

    def _filled(self, rows: int) -> int:
        return rows + -rows % self.processes


def passes(rows_per_step: int, processes: int) -> int:
    """Passes of each process in a step, a row in each."""
    return -(-rows_per_step // processes)
