"""LoRA as the trainings have it: the weights that it begins with, and where in them adapters stand. Imports torch."""

from __future__ import annotations

from typing import Any, cast

from peft import LoraConfig
from torch import nn
from transformers.pytorch_utils import Conv1D

from dalign import config
from dalign.errors import InputError
from dalign.models.checkpoint import load_model
from dalign.text import one_line, short
from dalign.train.job import Job

ALL = "all-linear"
# What peft knows an adapter for.
KINDS = (nn.Linear, Conv1D, nn.Embedding, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def start_model(job: Job, method: config.Method) -> Any:
    """The job's model. Weights that train are float32; those that an adapter leaves as they are have the job's dtype."""
    dtype = job.dtype if method == "lora" else "float32"
    return load_model(job.start, dtype, job.device, job.trust_remote_code, job.attention)


def lora_of(
    model: Any, settings: config.Sft | config.Rl | config.Distill, section: str
) -> LoraConfig | None:
    """The adapter's settings as peft takes them; None where all weights train.

    Raises InputError for a target that is no layer of the model that an adapter can stand at: peft would train the others.
    """
    if settings.method == "full":
        return None
    lora = settings.lora
    names = [name.strip() for name in lora.target.split(",")]
    if names != [ALL]:
        _check_targets(model, names, f"{section}.lora.target")
    return LoraConfig(
        r=lora.r,
        # peft scales by alpha / r and takes fractions too.
        lora_alpha=cast("int", lora.alpha),
        lora_dropout=lora.dropout,
        target_modules=ALL if names == [ALL] else names,
        task_type="CAUSAL_LM",
    )


def _check_targets(model: Any, names: list[str], key: str) -> None:
    modules = dict(model.named_modules())
    fixed = _fixed(model)
    known = {
        path: module
        for path, module in modules.items()
        if isinstance(module, KINDS) and not any(module is each for each in fixed)
    }
    for name in names:
        meant = [path for path in modules if f".{path}".endswith(f".{name}")]
        if name and meant and known.keys() >= set(meant):
            continue
        ends = ", ".join(sorted({path.rpartition(".")[2] for path in known}))
        said = f"{key} names {one_line(short(repr(name)))}, which is no layer of the model that LoRA can adapt; take of {short(ends, 200)}, or '{ALL}' for all linear ones"
        raise InputError(said, kind="unknown_choice", key=key, value=name)


def _fixed(model: Any) -> list[Any]:
    """The head, whose weights TRL reads past an adapter; the embeddings where they are the head's: merged, both would change."""
    head, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
    tied = head is not None and head.weight is embeddings.weight
    return [head, *([embeddings] if tied else [])]
