"""`dalign judge`: the stage, and what a judge is worth."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option
from typer.core import TyperGroup

from dalign.cli.terminal import tell, tell_json

if TYPE_CHECKING:
    from dalign.judge.agreement import Share
    from dalign.judge.calibration import JudgeCard, Told


class _OrStage(TyperGroup):
    """Commands beside a stage's own, which is meant where none of them is named."""

    stage = "stage"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As the base class."""
        named = bool(args) and args[0] in self.commands
        return super().parse_args(ctx, args if named else [self.stage, *args])


judge = typer.Typer(name="judge", cls=_OrStage, rich_markup_mode=None)
AsJson = Annotated[bool, Option("--json", help="Print the result as JSON on stdout.")]


@judge.command(
    epilog="Example: dalign judge calibrate labelled.csv --label ann --label ben --passes fine --fails bad --judge score --low 1 --high 5"
)
def calibrate(
    file: Annotated[
        Path,
        Argument(
            metavar="FILE",
            readable=False,
            help="Answers with labels of people: JSONL, CSV, Parquet; a row an answer, or a row a rater (id, rater, label).",
        ),
    ],
    label: Annotated[
        list[str] | None,
        Option(
            "--label",
            metavar="COLUMN",
            help="A rater's column; may be given again. Else label, or labels.",
        ),
    ] = None,
    passes: Annotated[
        list[str] | None,
        Option("--passes", metavar="LABEL", help="A label that passes an answer; again."),
    ] = None,
    fails: Annotated[
        list[str] | None,
        Option("--fails", metavar="LABEL", help="One that fails it; without it, all others do."),
    ] = None,
    passes_from: Annotated[
        float | None,
        Option(
            "--passes-from", metavar="NUMBER", help="Labels are numbers; from this one on, pass."
        ),
    ] = None,
    fails_from: Annotated[
        float | None,
        Option(
            "--fails-from", metavar="NUMBER", help="Labels are numbers; from this one on, fail."
        ),
    ] = None,
    scores: Annotated[
        str | None,
        Option(
            "--judge",
            metavar="COLUMN",
            help="The judge's score, its k scores, or its label. Else score, or scores.",
        ),
    ] = None,
    model: Annotated[
        Path | None,
        Option("--model", metavar="CONFIG", help="Ask this config's judge about each answer."),
    ] = None,
    low: Annotated[float, Option("--low", help="The lowest score of the file's judge.")] = 0.0,
    high: Annotated[float, Option("--high", help="The highest score of the file's judge.")] = 10.0,
    threshold: Annotated[
        float | None,
        Option("--threshold", help="From this score an answer passes; else the config's."),
    ] = None,
    out: Annotated[
        Path | None, Option("--out", metavar="CARD", help="Write the judge's card here (JSON).")
    ] = None,
    json: AsJson = False,
) -> None:
    """Hold a judge against labels of people: errors by category, kappa, alpha, AUROC, the best threshold, reliability."""
    from dalign import progress
    from dalign.data.labels import FAILS, PASSES, Reading
    from dalign.errors import InputError
    from dalign.pipeline.calibrate import card_of
    from dalign.settings import load_config
    from dalign.store.ledger import checked_config
    from dalign.store.whole_files import write_json

    if not low < high:
        said = f"--low {low:g} and --high {high:g}: the scale's high end is above its low one"
        raise InputError(said, kind="out_of_range", value=low)
    given = {"--passes": passes, "--passes-from": passes_from, "--fails-from": fails_from}
    if len(named := [name for name, value in given.items() if value is not None]) > 1:
        what = f"{' and '.join(named)}: each says which labels pass; give one of them"
        raise InputError(what, kind="not_valid", value=named)
    ours = passes is None
    how = Reading(
        columns=tuple(label or ()),
        passes=PASSES if ours else tuple(passes or ()),
        fails=tuple(fails or ()) or (FAILS if ours else ()),
        passes_from=passes_from,
        fails_from=fails_from,
        judge=scores,
        low=low,
        high=high,
    )
    config = None if model is None else load_config(checked_config(model), [])
    shown = progress.Progress() if json else progress.for_terminal()
    card = card_of(file, how, config=config, threshold=threshold, progress=shown)
    if out is not None:
        write_json(out, card.as_json())
    if json:
        tell_json(card.as_json(), indent=1)
        return
    for line in _lines(card):
        tell(line)
    if out is not None:
        tell(f"card: {out}")


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
    set_: Annotated[
        list[str] | None,
        Option("--set", metavar="A.B=C", help="A setting over the config's; may be given again."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Attack a judge: wrong answers that ask for a score, in the answer and in the user's message; how often each passes."""
    from dalign import progress
    from dalign.errors import InputError
    from dalign.judge.agreement import Share
    from dalign.judge.attacks import ATTACKS, named
    from dalign.pipeline.attack import attack_judge
    from dalign.settings import load_config
    from dalign.store.ledger import checked_config

    attacks = named(only) if only is not None else ATTACKS
    if not attacks:
        kinds = ", ".join(dict.fromkeys(each.kind for each in ATTACKS))
        said = f"--only {only}: no attack is called so; kinds: {kinds}; names: {', '.join(each.name for each in ATTACKS)}"
        raise InputError(said, kind="unknown_choice", value=only)
    settings = load_config(checked_config(config), set_ or [])
    shown = progress.Progress() if json else progress.for_terminal()
    rows = list(attack_judge(settings, attacks, cases, shown))
    if json:
        tell_json([asdict(row) for row in rows], indent=1)
        return
    tell(
        f"{'attack':20} {'kind':8} {'in':7} {'passed':>9}  {'95 % interval':14} {'lost':>4} {'alone':>6} {'attacked':>8}"
    )
    for row in rows:
        share = Share.of_counts(row.passed, row.cases)
        ends = "" if share.value is None else f"[{share.low:.2f}, {share.high:.2f}]"
        means = [
            f"{value:.1f}" if value is not None else "-" for value in (row.clean, row.attacked)
        ]
        tell(
            f"{row.name:20} {row.kind:8} {row.place:7} {f'{row.passed}/{row.cases}':>9}  {ends:14} {row.lost:>4} {means[0]:>6} {means[1]:>8}"
        )


def _lines(card: JudgeCard) -> list[str]:
    raters, matrix = card.raters, card.confusion
    best = (
        ""
        if card.best is None
        else f"; best from {card.best.score:g} on (balanced accuracy {card.best.balanced:.3f}, on these answers)"
    )
    lines = [
        f"people: {len(raters.names)} raters, {raters.answers} answers, {raters.ties} of them tied; Krippendorff's alpha {_figure(raters.alpha)}, Fleiss' kappa {_figure(raters.fleiss)} (on {raters.labelled_by_all} that all labelled)",
        *(f"  {pair}: Cohen's kappa {_figure(kappa)}" for pair, kappa in raters.cohen.items()),
        f"judge: {card.judge}; {card.compared} answers compared, {card.unjudged} without a score or a majority",
        f"  passes from {card.threshold:g} of {card.low:g} to {card.high:g}: fails {matrix.failed_rightly} rightly and {matrix.failed_wrongly} wrongly, passes {matrix.passed_rightly} rightly and {matrix.passed_wrongly} wrongly",
        f"  AUROC {_figure(card.auroc)}{best}",
        f"  all: {_told(card.all)}",
    ]
    if len(card.categories) > 1:
        lines += [f"  {name}: {_told(each)}" for name, each in card.categories.items()]
    lines += [f"  first {k} judgements: {_told(each)}" for k, each in card.by_k.items()]
    lines += [
        f"  scores {each.low:g} to {each.high:g}: {each.n} answers, mean {each.mean:.2f}; people pass {_share(each.passing)}"
        for each in card.diagram
    ]
    return lines


def _told(told: Told) -> str:
    return f"agreement {_share(told.agreement)}; sensitivity {_share(told.sensitivity)}; specificity {_share(told.specificity)}; kappa {_figure(told.kappa)}"


def _share(share: Share) -> str:
    if share.value is None:
        return "unknown"
    return f"{share.value:.3f} [{share.low:.3f}, {share.high:.3f}] of {share.n}"


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
