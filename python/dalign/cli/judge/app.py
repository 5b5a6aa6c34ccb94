"""`dalign judge`: the commands and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option
from typer.core import TyperGroup

from dalign.cli.options import AsJson, Sets


class _OrStage(TyperGroup):
    """Commands beside a stage's own, which is meant where none of them is named."""

    stage = "stage"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As the base class."""
        named = bool(args) and args[0] in self.commands
        return super().parse_args(ctx, args if named else [self.stage, *args])


judge = typer.Typer(name="judge", cls=_OrStage, rich_markup_mode=None)
Labelled = Annotated[
    Path,
    Argument(
        metavar="FILE",
        readable=False,
        help="Answers with labels of people: JSONL, CSV, Parquet; a row an answer, or a row a rater (id, rater, label).",
    ),
]
Columns = Annotated[
    list[str] | None,
    Option(
        "--label",
        metavar="COLUMN",
        help="A rater's column; may be given again. Else label, or labels.",
    ),
]
Passes = Annotated[
    list[str] | None,
    Option("--passes", metavar="LABEL", help="A label that passes an answer; may be given again."),
]
Fails = Annotated[
    list[str] | None,
    Option("--fails", metavar="LABEL", help="One that fails it; without it, all others do."),
]
PassesFrom = Annotated[
    float | None,
    Option("--passes-from", metavar="NUMBER", help="Labels are numbers; from this one on, pass."),
]
FailsFrom = Annotated[
    float | None,
    Option("--fails-from", metavar="NUMBER", help="Labels are numbers; from this one on, fail."),
]
Scores = Annotated[
    str | None,
    Option(
        "--judge",
        metavar="COLUMN",
        help="The judge's score, its k scores, or its label. Else score, or scores.",
    ),
]
Model = Annotated[
    Path | None,
    Option(
        "--model",
        metavar="CONFIG",
        readable=False,
        help="Ask this config's judge about each answer.",
    ),
]
Low = Annotated[float, Option("--low", help="The lowest score of the file's judge.")]
High = Annotated[float, Option("--high", help="The highest score of the file's judge.")]
Threshold = Annotated[
    float | None,
    Option(
        "--threshold",
        help="From this score an answer passes; else the config's, or the scale's middle.",
    ),
]
Card = Annotated[
    Path | None,
    Option(
        "--out", metavar="CARD", help="Write the judge's card here (JSON), for evaluate.judge_card."
    ),
]


@judge.command(
    epilog="Example: dalign judge calibrate labelled.csv --label ann --label ben --passes fine --fails bad --judge score --low 1 --high 5"
)
def calibrate(
    file: Labelled,
    label: Columns = None,
    passes: Passes = None,
    fails: Fails = None,
    passes_from: PassesFrom = None,
    fails_from: FailsFrom = None,
    scores: Scores = None,
    model: Model = None,
    low: Low = 0.0,
    high: High = 10.0,
    threshold: Threshold = None,
    out: Card = None,
    force: Annotated[
        bool, Option("--force", help="Overwrite the card where there is one already.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Hold a judge against labels of people: errors by category, kappa, alpha, AUROC, the best threshold, reliability."""
    from dalign.cli.judge.calibrate import print_card, reading

    numbers, scale = (passes_from, fails_from), (low, high)
    how = reading(label, passes, fails, numbers, scores, scale)
    print_card(file, how, model, threshold, out, force=force, as_json=json)


@judge.command(
    epilog="Example: dalign judge attack my-project/dalign.toml --cases 40 --only verdict"
)
def attack(
    config: Annotated[
        Path, Argument(metavar="CONFIG", readable=False, help="The config whose judge it is.")
    ],
    cases: Annotated[
        int, Option("--cases", min=1, help="Golden cases that each attack is tried on, at most.")
    ] = 20,
    only: Annotated[
        str | None,
        Option("--only", metavar="WORD", help="Attacks of this name or kind alone."),
    ] = None,
    set_: Sets = None,
    json: AsJson = False,
) -> None:
    """Attack a judge: wrong answers that ask for a score, in the answer and in the user's message; how often each passes."""
    from dalign.cli.judge.attack import print_attacks

    print_attacks(config, cases, only, set_ or [], as_json=json)
