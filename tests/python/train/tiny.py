"""What the tests of training share: a tiny Qwen3, rows to train it on, and how to be killed."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
from sandbox_model.tokenizer import build_tokenizer

IGNORED = -100
WORDS = ["a", "i", "you", "the"]


def quietly(step, total, loss):
    """Follows nothing."""


class Killed(Exception):  # noqa: N818
    """Stands for a kill."""


def kill_at(step):
    def on_step(at, total, loss):
        if at == step:
            raise Killed

    return on_step


def save_random(folder: Path) -> Path:
    """A tiny Qwen3 of random weights with the sandbox's tokenizer."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokenizer = build_tokenizer()
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def packed(rows, per_bin=3):
    """Sequences (ids, labels), end to end, `per_bin` in a packed row."""
    bins = [rows[i : i + per_bin] for i in range(0, len(rows), per_bin)]
    return pl.DataFrame(
        {
            "input_ids": [[token for ids, _ in b for token in ids] for b in bins],
            "labels": [[label for _, labels in b for label in labels] for b in bins],
            "position_ids": [[i for ids, _ in b for i in range(len(ids))] for b in bins],
        }
    )


def written(frame: pl.DataFrame, path: Path) -> Path:
    """The Parquet file of a frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path)
    return path


def prompt_columns(prompts) -> pl.DataFrame:
    """What `draw_prompts` looks at of each prompt."""
    columns = [
        (p.id, p.category, p.expected and p.expected.ruling, p.expected and p.expected.clause)
        for p in prompts
    ]
    names = ("id", "category", "ruling", "clause")
    return pl.DataFrame(columns, schema=dict.fromkeys(names, pl.String), orient="row")


def taught():
    """Rows that teach `<think> word </think> word <|end|>` after any prompt."""
    tokenizer, rng = build_tokenizer(), random.Random(0)
    rows = []
    for _ in range(60):
        messages = [{"role": "user", "content": " " + rng.choice(WORDS)}]
        prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        head = tokenizer(prompt)["input_ids"]
        body = tokenizer(f"<think> {rng.choice(WORDS)} </think> {rng.choice(WORDS)}<|end|>")[
            "input_ids"
        ]
        rows.append((head + body, [IGNORED] * len(head) + body))
    return rows


def assert_same_weights(one: Path, other: Path) -> None:
    import torch
    from safetensors.torch import load_file

    first, second = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def token_mean_loss(model_folder: Path, rows) -> float:
    """The mean cross-entropy over all trained tokens of sequences (ids, labels), each read by itself."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(model_folder)
    total, trained = 0.0, 0
    for ids, labels in rows:
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, :-1]
        total += torch.nn.functional.cross_entropy(
            logits, torch.tensor(labels[1:]), ignore_index=IGNORED, reduction="sum"
        ).item()
        trained += sum(label != IGNORED for label in labels)
    return total / trained
