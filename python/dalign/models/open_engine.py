"""The engine that a config's model section asks for."""

from __future__ import annotations

from pathlib import Path

from dalign import config
from dalign.errors import InputError
from dalign.models.protocol import Engine

SANDBOX = "sandbox"


def model_folder(model: config.Model, sandbox_path: Path | None) -> Path:
    """The folder (or script) that `model.path` names. sandbox_path: what 'sandbox' stands for."""
    if model.path != SANDBOX:
        return Path(model.path)
    if sandbox_path is None:
        raise InputError("model.path = 'sandbox', but there is no sandbox here; give a folder")
    return sandbox_path


def open_engine(model: config.Model, *, threads: int, sandbox_path: Path | None) -> Engine:
    """The engine, loaded. threads: of torch, in this process.

    Raises InputError for a checkpoint that cannot be used and MissingExtraError without torch.
    """
    if model.engine == "openai":
        from dalign.models.server import ServerEngine

        return ServerEngine.of(model)
    folder = model_folder(model, sandbox_path)
    if model.engine == "scripted":
        from dalign.models.scripted import ScriptedEngine

        return ScriptedEngine.load(folder)
    from dalign.models.checkpoint import check_checkpoint, import_transformers

    check_checkpoint(folder)
    import_transformers()
    import torch

    from dalign.models.local import LocalEngine

    torch.set_num_threads(threads)
    return LocalEngine.load(model, folder)
