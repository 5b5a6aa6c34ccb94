"""`dalign data`: the core's filters over files that no run made."""

from __future__ import annotations

import typer

from dalign.cli.data.commands import balance, decontaminate, dedup, pack
from dalign.cli.data.filter import filter_
from dalign.cli.data.import_ import import_
from dalign.cli.data.synth import synth
from dalign.cli.data.transform import transform

# Each command's name, the command, and an example of it.
COMMANDS = (
    ("filter", filter_, "filter completions.jsonl kept.jsonl --text-field completion --min-chars 200 --max-chars 6000"),
    ("dedup", dedup, "dedup completions.jsonl kept.jsonl --text-field completion --score-field score"),
    ("decontaminate", decontaminate, "decontaminate train.jsonl clean.jsonl --against suite.jsonl --against public.parquet --text-field prompt"),
    ("balance", balance, "balance kept.jsonl balanced.jsonl --max 400 --seed 7"),
    ("pack", pack, "pack kept.jsonl bins.parquet --tokenizer models/base --capacity 4096 --over-long drop"),
    ("import", import_, "import xstest xstest_prompts.csv suites/xstest.jsonl --category general --map contrast_privacy=harassment"),
    ("transform", transform, "transform suites/forbidden.jsonl suites/jailbreaks.jsonl --transform base64 --transform role_play --with-plain"),
    ("synth", synth, "synth new.jsonl --config dalign.toml --missing runs/first --per-clause 12 --kind borderline --against suites/public.jsonl"),
)  # fmt: skip

data = typer.Typer(
    name="data",
    help="Filter, deduplicate, decontaminate, balance and pack JSONL or Parquet files of any size; import public suites, transform prompts and write new ones.",
    epilog="Example: dalign data filter completions.jsonl kept.jsonl",
    no_args_is_help=True,
    rich_markup_mode=None,
)
for _name, _command, _example in COMMANDS:
    data.command(name=_name, epilog=f"Example: dalign data {_example}")(_command)
