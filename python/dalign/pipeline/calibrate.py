"""A judge beside people: the scores that a file has, or that the judge of a config gives, against the labels in it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from dalign.config import Config
from dalign.data.labels import Labelled, Reading, read_labels
from dalign.errors import InputError, did_you_mean
from dalign.judge.calibration import JudgeCard, calibrate
from dalign.judge.forms.score import Question
from dalign.models.ask import Ask
from dalign.pipeline.judging import opened_judge
from dalign.progress import Progress
from dalign.spec.parse import load_spec

# The middle of a scale, from which an answer passes unless something says otherwise.
_MIDDLE = 0.5


def card_of(
    path: Path,
    how: Reading,
    *,
    config: Config | None,
    threshold: float | None,
    progress: Progress,
) -> JudgeCard:
    """The card of the judge whose scores the file has, or of a config's judge, which is asked about each answer.

    threshold: the score from which an answer passes; unless given, the config's, or the middle of the scale.
    Raises InputError for a file, a label or a score that cannot be used.
    """
    if config is not None:
        how = replace(how, low=config.judge.low, high=config.judge.high, asks=True)
    passing = threshold
    if passing is None:
        middle = how.low + _MIDDLE * (how.high - how.low)
        passing = middle if config is None else config.pass_score
    if not how.low <= passing <= how.high:
        said = (
            f"--threshold {passing:g} is outside the judge's scale from {how.low:g} to {how.high:g}"
        )
        raise InputError(said, kind="out_of_range", value=passing)
    answers = read_labels(path, how)
    card_by = partial(calibrate, threshold=passing, low=how.low, high=how.high)
    if config is None:
        return card_by(answers, judge=how.judge or "the file's scores")
    asked, judge = config.judge, config.judge_of_record.path
    told = _judged(path, answers, config, progress)
    aggregate, parameter = asked.aggregate, asked.parameter
    card = card_by(told, judge=judge, aggregate=aggregate, parameter=parameter)
    return replace(card, parameter=parameter, reduce=asked.reduce, veto=asked.veto)


def _judged(
    path: Path, answers: list[Labelled], config: Config, progress: Progress
) -> list[Labelled]:
    """The answers with the scores of the config's judge, judge.k each; a failed judgement gives none."""
    spec = load_spec(config.spec.path)
    questions = {each.id: _question(path, each, spec.prompt_names) for each in answers}
    with opened_judge(config, spec) as (engine, judging, _):
        ask = Ask(engine, progress=progress, name="calibrate")
        verdicts, _ = judging(questions, ask)
        ask.finish(f"{verdicts.height} replies")
    given: dict[str, list[float]] = {each.id: [] for each in answers}
    for row, score in verdicts.select("completion_id", "score").drop_nulls().iter_rows():
        given[row].append(score)
    # As in a run: of one with fewer the score is not known.
    least = config.judge.needed
    scores = {row: tuple(found) if len(found) >= least else () for row, found in given.items()}
    if not any(scores.values()):
        states = verdicts["state"].value_counts(sort=True).iter_rows()
        told = ", ".join(f"{count} {state}" for state, count in states)
        said = (
            f"{path}: the judge gave no answer a score ({told}); see to the judge and its templates"
        )
        raise InputError(said, kind="unjudged", path=path)
    return [replace(each, scores=scores[each.id]) for each in answers]


def _question(path: Path, each: Labelled, known: tuple[str, ...]) -> Question:
    if not each.messages or each.answer is None:
        what = f"row {each.place}: the judge is to be asked about answer {each.id!r}, which has no {'answer' if each.messages else 'prompt'}; give prompt (or messages) and answer"
        raise InputError.in_file(path, what, kind="missing_key", value=each.id)
    if each.category not in known:
        what = f"row {each.place}: the policy has no category {each.category!r}; {did_you_mean(each.category, known)}"
        raise InputError.in_file(path, what, kind="unknown_category", value=each.category)
    return Question(each.category, each.messages, each.answer, reasoning=None)
