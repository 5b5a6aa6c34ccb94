"""What the rest of the house must know of an engine, so that nobody asks for its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dalign.config import CHECKPOINT_ENGINES, EngineName, Model
from dalign.models.protocol import Engine


def nothing_to_check(model: Model) -> None:
    """Nothing: for an engine whose input shows when it is opened, at no cost."""


@dataclass(frozen=True)
class EngineKind:
    """An engine before it is opened.

    writes_open_tag: its replies have both reasoning tags, whatever the chat template opens; else
        they lack the opening tag where the template has written it into the prompt.
    fingerprint_of: a hash of what determines the model's replies, without opening it.
    open: the engine, loaded; given the threads that this process computes with. Raises InputError
        for a model that cannot be used, MissingExtraError without the package that it needs.
    check: raises InputError for what can be seen to be wrong before anything is loaded.
    """

    name: EngineName
    writes_open_tag: bool
    fingerprint_of: Callable[[Model], str]
    open: Callable[[Model, int], Engine]
    check: Callable[[Model], None] = nothing_to_check

    @property
    def path_is_checkpoint(self) -> bool:
        """Whether a model's `path` is a checkpoint folder here."""
        return self.name in CHECKPOINT_ENGINES

    def checkpoint(self, model: Model) -> Path | None:
        """The folder with the model's weights and tokenizer; None where it runs elsewhere and names none."""
        return Path(model.path) if self.path_is_checkpoint else model.checkpoint
