"""A config's model by the engine that runs it: engine NAME is `KIND` in the file `NAME.py` beside this one."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from dalign.config import Model
from dalign.errors import InputError
from dalign.models.protocol import Engine, EngineKind, Machine

# Engines whose files are called by what they are.
_FILES: Mapping[str, str] = {"transformers": "local"}


def kind_of(model: Model) -> EngineKind:
    """What is to be known of the engine that runs this model."""
    # Imported where it is asked for: what an engine needs takes long to load.
    name = _FILES.get(model.engine, model.engine)
    kind: EngineKind = import_module(f"dalign.models.engines.{name}").KIND
    return kind


def resolved(model: Model, checkpoints: Mapping[str, Path]) -> Model:
    """The model with the folder that its path's name stands for, such as that of 'sandbox'; itself without one."""
    folder = checkpoints.get(model.path) if kind_of(model).path_is_checkpoint else None
    return model if folder is None else model.model_copy(update={"path": str(folder)})


def opened(model: Model, checkpoints: Mapping[str, Path], machine: Machine) -> Engine:
    """The engine of this model, loaded; names of checkpoints stand for their folders.

    Raises InputError for a model that cannot be used and MissingExtraError without torch.
    """
    return kind_of(model).open(resolved(model, checkpoints), machine)


def checkpoint_of(model: Model) -> Path:
    """The folder that holds this model's weights and tokenizer. Raises InputError if it has none here."""
    folder = kind_of(model).checkpoint(model)
    if folder is None:
        said = f"model '{model.path}' runs elsewhere, and its checkpoint is not named; set model.checkpoint to its folder to train it or to evaluate what was trained"
        raise InputError(said, kind="unfit_model")
    return folder
