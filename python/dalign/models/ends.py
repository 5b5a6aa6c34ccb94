"""The tokens that end a completion: the tokenizer's, the model's, the chat template's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dalign.errors import InputError
from dalign.models.checkpoint import read_json
from dalign.models.render import NO_END, Renderer


def end_ids(of_model: Any, renderer: Renderer) -> tuple[int, ...]:
    """All of them. of_model: what the model's own settings name, a token's id, a list or nothing. Raises InputError where there is none."""
    ends: list[Any] = list(renderer.probe.end_token_ids)
    for end in (renderer.tokenizer.eos_token_id, of_model):
        if end is not None:
            ends += end if isinstance(end, list | tuple) else [end]
    if wrong := [end for end in ends if type(end) is not int or end < 0]:
        said = f"eos_token_id names {wrong[0]!r}, which is no token's id; give whole numbers in generation_config.json"
        raise InputError(said, kind="wrong_type", key="eos_token_id", value=wrong[0])
    if not ends:
        raise InputError(NO_END, kind="unfit_model")
    return tuple(sorted(set(ends)))


def ends_of(model: Any) -> Any:
    """What a loaded model's settings name."""
    return getattr(getattr(model, "generation_config", None), "eos_token_id", None)


def ends_in(folder: Path) -> Any:
    """What a checkpoint's files name, as transformers takes it: of its settings of generation, or else of its config."""
    file = folder / "generation_config.json"
    return read_json(file if file.is_file() else folder / "config.json").get("eos_token_id")
