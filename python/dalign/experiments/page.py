"""What an experiment found, as a page in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dalign.experiments.forgetting import Found
from dalign.experiments.pooled import Change, Figure
from dalign.text import one_line
from dalign.vocabulary import lineage

NAME = "forgetting.md"


def markdown(found: Found, command: str) -> str:
    """The page: every cell's figures side by side, what was forgotten, and the changes from cell to cell."""
    lines = [
        "# What trainings cost: methods and capability data side by side", "",
        f"`{_cell(command)}`", "",
        (f"{found.seeds} seed{'s' if found.seeds > 1 else ''}; a cell is a method (all weights, or LoRA) and the capability rows for each safety example. "
        "Intervals: 95 %, seeds drawn first and then prompts; with one seed, prompts alone. In brackets behind them the range of the seeds' own means."), "",
        *(f"**{_cell(said)}**" for said in found.alarms), *([""] if found.alarms else []),
        "## Forgotten", "",
        "Of what the base has right in a capability suite, the share that is right no more (Luo et al. 2023, equation 1: the mean over the trainings that led to the arm). Below 0: more is right than before.", "",
        *_table(("cell", "arm", "suite", "forgotten", "samples"), map(_of_figure, found.forgotten)), "",
        "## Every metric", "",
        *_table(("cell", "arm", "suite", "metric", "mean", "samples"), (_of_figure(each, metric=True) for each in _shown(found.figures))), "",
        "## Changes", "",
        "The second cell less the first, on the same seeds, prompts and samples; bold where the interval leaves 0 out.", "",
        *_table(("from", "to", "arm", "suite", "metric", "difference"), map(_of_change, found.changes)),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _shown(figures: Sequence[Figure]) -> list[Figure]:
    """Suites and metrics together; of an arm that no training leads to the first cell's alone, as all say the same."""
    first = figures[0].cell if figures else ""
    kept = [each for each in figures if lineage(each.arm) or each.cell == first]
    place = {key: n for n, key in enumerate(dict.fromkeys((f.suite, f.metric) for f in figures))}
    return sorted(kept, key=lambda each: place[each.suite, each.metric])


def value_of(figure: Figure) -> str:
    """A mean with its interval, and the range of the seeds."""
    if figure.value is None:
        return "not measured"
    ends = "" if figure.low is None else f" [{figure.low:.3f}, {figure.high:.3f}]"
    spread = figure.smallest != figure.largest
    return f"{figure.value:.3f}{ends}" + (
        f" ({figure.smallest:.3f} to {figure.largest:.3f})" if spread else ""
    )


def change_of(change: Change) -> str:
    """A difference with its interval."""
    return f"{change.difference:+.3f} [{change.low:+.3f}, {change.high:+.3f}]"


def _of_figure(each: Figure, *, metric: bool = False) -> tuple[str, ...]:
    names = (each.suite, each.metric) if metric else (each.suite,)
    cell = each.cell if lineage(each.arm) else "every"
    return (cell, each.arm, *names, value_of(each), str(each.n))


def _of_change(each: Change) -> tuple[str, ...]:
    told = change_of(each)
    bold = "**" if each.low > 0 or each.high < 0 else ""
    return (each.cell_a, each.cell_b, each.arm, each.suite, each.metric, f"{bold}{told}{bold}")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(map(_cell, line))} |" for line in lines]


def _cell(text: str) -> str:
    return one_line(text).replace("|", "\\|")
