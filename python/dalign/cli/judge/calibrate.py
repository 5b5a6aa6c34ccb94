"""Prints a judge beside people, and writes its card."""

from __future__ import annotations

from math import isfinite
from pathlib import Path

from dalign import progress
from dalign.cli.terminal import tell, tell_json
from dalign.data.labels import FAILS, PASSES, Reading
from dalign.errors import InputError, check_place
from dalign.pipeline.calibrate import card_of
from dalign.settings import load_config
from dalign.store.ledger import checked_config
from dalign.store.whole_files import write_json


def reading(
    columns: list[str] | None,
    passes: list[str] | None,
    fails: list[str] | None,
    numbers: tuple[float | None, float | None],
    scores: str | None,
    scale: tuple[float, float],
) -> Reading:
    """How a command line has a file read. numbers: from which labels pass, or fail. Raises InputError where it says two things."""
    low, high = scale
    if not (low < high and isfinite(low) and isfinite(high)):
        said = f"--low {low:g} and --high {high:g}: a scale's high end is above its low one, and both are numbers"
        raise InputError(said, kind="out_of_range", value=low)
    passes_from, fails_from = numbers
    given = {"--passes": passes, "--passes-from": passes_from, "--fails-from": fails_from}
    if len(named := [name for name, value in given.items() if value is not None]) > 1:
        what = f"{' and '.join(named)}: each says which labels pass; give one of them"
        raise InputError(what, kind="not_valid", value=named)
    if fails and (passes_from is not None or fails_from is not None):
        said = "--fails: labels are numbers by --passes-from or --fails-from; leave it out"
        raise InputError(said, kind="not_valid", value=fails)
    if both := {word.casefold() for word in passes or ()} & {w.casefold() for w in fails or ()}:
        said = f"--passes and --fails: {min(both)!r} is in both; leave it out of one"
        raise InputError(said, kind="not_valid", value=min(both))
    usual = PASSES if passes is None else tuple(passes)
    others = tuple(fails or ()) or (FAILS if passes is None else ())
    return Reading(tuple(columns or ()), usual, others, passes_from, fails_from, scores, low, high)


def print_card(
    file: Path,
    how: Reading,
    model: Path | None,
    threshold: float | None,
    out: Path | None,
    *,
    force: bool,
    as_json: bool,
) -> None:
    """The judge's errors, line by line. model: the config whose judge is asked; out: where the card is written."""
    if out is not None:
        check_place(out, force=force, inputs=[file])
    if model is not None and (how.judge is not None or (how.low, how.high) != (0.0, 10.0)):
        said = "--model: the config's judge is asked, on its own scale; leave --judge, --low and --high out"
        raise InputError(said, kind="not_valid", path=model)
    config = None if model is None else load_config(checked_config(model), [])
    shown = progress.Progress() if as_json else progress.for_terminal()
    card = card_of(file, how, config=config, threshold=threshold, progress=shown)
    if out is not None:
        write_json(out, card.as_json())
    if as_json:
        tell_json(card.as_json(), indent=1)
        return
    for line in card.lines():
        tell(line)
    if out is not None:
        tell(f"card: {out}")
