"""A model's weights as they were at the start of a training, or their moving average: distillation's teacher, and what SFT may be held to. Imports torch.

Only those that train are kept apart, in their own precision, and put in the model's place while these read: with LoRA an
adapter's, and no second model is held.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

# Beside a checkpoint's own files.
TEACHER_FILE = "teacher.safetensors"


class KeptWeights:
    """What of a model's weights is kept. decay: the part of them that each step keeps; None: all, always."""

    def __init__(self, model: Any, decay: float | None) -> None:
        """model: as it is at the start."""
        self.decay = decay
        self._trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self._weights = {name: p.detach().clone() for name, p in self._trained.items()}

    @contextmanager
    def reading(self, model: Any) -> Iterator[None]:
        """The model with these weights, in eval mode and without gradients; afterwards it is as it was."""
        modes = {module: module.training for module in model.modules()}
        own = {name: p.data for name, p in self._trained.items()}
        model.eval()
        self._put(self._weights)
        try:
            # What is computed here may be kept (rotary tables), and autograd refuses inference tensors.
            with torch.no_grad():
                yield
        finally:
            self._put(own)
            for module, mode in modes.items():
                module.training = mode

    def _put(self, weights: dict[str, Tensor]) -> None:
        for name, parameter in self._trained.items():
            parameter.data = weights[name]

    def follow(self) -> None:
        """Takes a step after the model, where it is a moving average."""
        if self.decay is None:
            return
        for name, parameter in self._trained.items():
            self._weights[name].lerp_(parameter.detach(), 1.0 - self.decay)

    def save(self, folder: Path) -> None:
        """Keeps a moving average in a checkpoint's folder; the start's weights are known."""
        if self.decay is not None:
            held = {name: weight.contiguous() for name, weight in self._weights.items()}
            save_file(held, str(folder / TEACHER_FILE))

    def load(self, folder: Path) -> None:
        """Goes back to what a checkpoint's folder holds."""
        if self.decay is None:
            return
        for name, weight in load_file(str(folder / TEACHER_FILE)).items():
            self._weights[name].copy_(weight)
