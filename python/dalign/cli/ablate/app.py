"""`dalign ablate`: the experiments and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from dalign.cli.options import AllowMissing, AsJson, DryRun, Redo, Sets

ablate = typer.Typer(
    name="ablate",
    help="Run a config in several ways side by side, over seeds, and compare what comes of them.",
    epilog="Example: dalign ablate forgetting --help",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@ablate.callback()
def _options() -> None:
    """So that an experiment is named even where there is one alone."""


@ablate.command(
    epilog="Example: dalign ablate forgetting dalign.toml --out runs/forgetting --seeds 3 --ratios 0,0.5,1"
)
def forgetting(
    config: Annotated[Path, Argument(metavar="CONFIG", readable=False, help="The config file.")],
    out: Annotated[
        Path,
        Option("--out", metavar="FOLDER", readable=False, help="Where the runs and the page go."),
    ],
    seeds: Annotated[
        int, Option("--seeds", min=1, help="Trainings of each kind: run.seed and those after it.")
    ] = 3,
    methods: Annotated[
        str, Option("--methods", help="Of full (all weights) and lora, by commas.")
    ] = "full,lora",
    ratios: Annotated[
        str,
        Option("--ratios", help="Capability rows for each safety example, several by commas."),
    ] = "0,0.5",
    arms: Annotated[str, Option("--arms", help="Trained arms, by commas; unless given sft.")] = "",
    lora_set: Annotated[
        list[str] | None,
        Option("--lora-set", metavar="KEY=VALUE", help="A setting of LoRA's runs alone."),
    ] = None,
    full_set: Annotated[
        list[str] | None,
        Option("--full-set", metavar="KEY=VALUE", help="A setting of full weights' runs alone."),
    ] = None,
    set_: Sets = None,
    redo: Redo = False,
    dry_run: DryRun = False,
    allow_missing: AllowMissing = False,
    json: AsJson = False,
) -> None:
    """Full weights or LoRA, and how much capability data: what each forgets beside what each is worth, over seeds."""
    from dalign.cli.ablate.forgetting import How, ablate_forgetting, asked_of

    own = {"lora": lora_set or [], "full": full_set or []}
    asked = asked_of(methods, ratios, arms, own)
    ablate_forgetting(
        config, out, asked, seeds, set_ or [], How(redo, dry_run, allow_missing, json)
    )
