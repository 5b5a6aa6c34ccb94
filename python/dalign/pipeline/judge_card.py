"""The judge's card among a run's inputs: checked, and kept as the run read it."""

from __future__ import annotations

from pathlib import Path

from dalign.config import Config
from dalign.data.judge_card import AskedJudge, errors_told, read_card
from dalign.store.run import CARD
from dalign.store.seal import mark_of, marks_in, read_sealed, write_sealed
from dalign.store.whole_files import remove, write_text


def check_card(config: Config) -> None:
    """Raises InputError for a card (evaluate.judge_card) that is none, or of a judge that is asked in another way."""
    path = config.evaluate.judge_card
    if path is not None:
        errors_told(read_card(path), AskedJudge.of(config), path)


def put_card(config: Config, inputs: Path) -> None:
    """Puts the card that the config names in its place, or takes away the one that is there."""
    path, target = config.evaluate.judge_card, inputs / CARD
    if path is None:
        remove(target)
    else:
        write_text(target, path.read_bytes().decode("utf-8"))


def holds_another(config: Config, sources: Path) -> bool:
    """Whether a run's inputs hold another card than the file that the config names has now, or a half-exchanged one.

    A file that is not there any more, as where a run was moved, tells nothing.
    """
    path, held = config.evaluate.judge_card, marks_in(sources, read_sealed(sources)).get(CARD)
    if path is None:
        return held is not None
    kept = sources.parent / CARD
    is_whole = kept.is_file() and mark_of(kept) == held
    return path.is_file() and not (is_whole and mark_of(path) == held)


def exchange_card(config: Config, sources: Path) -> None:
    """Puts it in the place of the one that a finished run has, of which nothing else changes.

    sources: the record of the run's inputs. Raises InputError as `check_card` does.
    """
    check_card(config)
    held = read_sealed(sources)
    marks = marks_in(sources, held)
    put_card(config, sources.parent)
    others = {name: mark for name, mark in marks.items() if name != CARD}
    target = sources.parent / CARD
    own = {CARD: mark_of(target)} if target.is_file() else {}
    write_sealed(sources, held | {"files": dict(sorted((others | own).items()))})
