"""Bytes that tensors hold while something runs, for measuring on a CPU what a GPU would be asked for."""

from __future__ import annotations

import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Counts the storages that operations make, as long as something refers to them; what was there before is not counted."""

    def __init__(self, before) -> None:
        """before: tensors that are there."""
        super().__init__()
        self.live, self.peak = 0, 0
        self._known = {tensor.untyped_storage()._cdata for tensor in before}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for each in tree_leaves(made):
            if isinstance(each, torch.Tensor):
                self._take(each.untyped_storage())
        return made

    def _take(self, storage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._free, key, size)

    def _free(self, key: int, size: int) -> None:
        self.live -= size
        self._known.discard(key)

    def forget_peak(self) -> int:
        """The peak so far, which begins anew."""
        peak, self.peak = self.peak, self.live
        return peak
