"""Which key was meant by one that there is not: a misspelling, or what other tools call it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dalign.errors import did_you_mean
from dalign.settings.schema import all_keys, section_at
from dalign.vocabulary import STAGES

_PATH = ("path",)
_RATE, _EPOCHS, _STEP_ROWS = ("learning_rate",), ("epochs",), ("rows_per_step", "prompts_per_step")
_CAPACITY, _TOKENS = ("capacity", "pack.capacity"), ("max_new_tokens",)
_DRAWN = ("n", "samples", "k", "judge_k", "group_size")
# Names of TRL, transformers, peft, vLLM, verl, axolotl and the usual APIs, and what is called so here: in the
# section of the key, or by a whole key anywhere.
OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("lr", "rate", "peak_lr"), _RATE),
    **dict.fromkeys(("num_train_epochs", "num_epochs", "n_epochs", "epoch"), _EPOCHS),
    **dict.fromkeys(("batch_size", "train_batch_size", "micro_batch_size"), _STEP_ROWS),
    **dict.fromkeys(("gradient_accumulation_steps", "per_device_train_batch_size"), _STEP_ROWS),
    **dict.fromkeys(("max_length", "max_seq_length", "max_seq_len", "seq_len"), _CAPACITY),
    **dict.fromkeys(("sequence_len", "sequence_length", "cutoff_len"), _CAPACITY),
    **dict.fromkeys(("max_tokens", "max_completion_tokens", "max_output_tokens"), _TOKENS),
    **dict.fromkeys(("max_completion_length", "max_response_length"), _TOKENS),
    **dict.fromkeys(("n", "num_samples", "n_samples", "num_return_sequences", "samples"), _DRAWN),
    **dict.fromkeys(("num_generations", "rollouts", "num_rollouts"), ("group_size",)),
    **dict.fromkeys(("kl", "kl_coef", "kl_beta", "kl_weight", "kl_loss_coef"), ("beta",)),
    **dict.fromkeys(("max_steps", "total_steps", "num_steps"), ("steps",)),
    "steps": ("max_steps",),
    **dict.fromkeys(("name", "model", "model_name", "model_name_or_path", "model_path"), _PATH),
    **dict.fromkeys(("api_base", "url", "endpoint", "host", "server"), ("base_url",)),
    **dict.fromkeys(("api_key", "key", "token"), ("api_key_env",)),
    **dict.fromkeys(("torch_dtype", "precision"), ("dtype",)),
    **dict.fromkeys(("num_workers", "n_workers"), ("workers", "run.workers")),
    **dict.fromkeys(
        ("rank", "lora_rank", "lora_r"), ("r", "sft.lora.r", "rl.lora.r", "distill.lora.r")
    ),
    "lora_alpha": ("sft.lora.alpha", "rl.lora.alpha", "distill.lora.alpha"),
    "lora_dropout": ("sft.lora.dropout", "rl.lora.dropout", "distill.lora.dropout"),
    **dict.fromkeys(
        ("lora_target_modules", "target_modules"),
        ("target", "sft.lora.target", "rl.lora.target", "distill.lora.target"),
    ),
    **dict.fromkeys(("min_score", "cutoff", "min"), ("low", "threshold")),
    **dict.fromkeys(("max_score", "max"), ("high",)),
    **dict.fromkeys(("grad_clip", "max_norm", "gradient_clipping"), ("max_grad_norm",)),
}
# Shorter words stand in many others.
_LEAST_PART = 4


def meant_by(dotted: str) -> str:
    """The way out for an unknown key: the one that was meant, or those that its section has."""
    parent, _, key = dotted.rpartition(".")
    section = section_at(parent)
    own = list(section.model_fields) if section else []
    if found := next(_meant(key, own, parent), None):
        return f"did you mean {found!r}?"
    elsewhere = [name for name in all_keys() if name.rpartition(".")[2] == key]
    if len(elsewhere) == 1:
        [other] = elsewhere
        if not {parent, other.partition(".")[0]} <= STAGES.keys():
            return f"did you mean {other!r}?"
        return f"{other!r} is a key of another section; known in {parent}: {', '.join(own)}"
    return did_you_mean(key, own)


def _meant(key: str, own: list[str], parent: str) -> Iterator[str]:
    whole = set(all_keys())
    named = [n for n in OTHER_NAMES.get(key, ()) if n in own or ("." in n and n in whole)]
    # Of whole keys that of the same section, where several have one.
    yield from sorted(named, key=lambda n: "." in n and not (parent and n.startswith(f"{parent}.")))
    if len(key) >= _LEAST_PART:
        yield from (name for name in own if name.startswith(f"{key}_"))
