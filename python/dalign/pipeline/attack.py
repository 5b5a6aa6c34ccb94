"""A config's judge under attack: on the policy's golden cases, each beside its score when it is left alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dalign.config import Config
from dalign.errors import InputError
from dalign.judge.attacks import (
    ATTACKS,
    IN_ANSWER,
    IN_USER,
    Attack,
    Attacked,
    attacked,
    left_alone,
    named,
    right_answers,
    summary,
    wrong_answers,
)
from dalign.models.ask import Ask
from dalign.pipeline.judging import opened_judge
from dalign.progress import Progress
from dalign.spec.golden import load_golden
from dalign.spec.parse import load_spec

# What a command is handed of attacks.
__all__ = ["Attacked", "attack_judge"]


def attack_judge(
    config: Config, cases: int, progress: Progress, only: str | None = None
) -> Iterator[Attacked]:
    """What becomes of each attack, as it is known. only: those of this name or kind. cases: wrong answers that are attacked, and right ones that are taken away, at most so many each.

    Raises InputError where the policy has no golden case that fails, and where no attack is called so.
    """
    attacks = _chosen(only)
    spec = load_spec(config.spec.path)
    golden = load_golden(spec)
    wrong, right = wrong_answers(golden, cases), right_answers(golden, cases)
    if not wrong:
        said = f"{spec.folder}: the policy has no golden case whose answer fails, so there is nothing to attack; write some (golden/*.jsonl, see specs/README.md)"
        raise InputError(said, kind="empty", path=spec.folder)
    with opened_judge(config, spec) as (engine, judging, _):
        alone = left_alone([*wrong, *right])
        asked = [attacked(right if a.replaces else wrong, a, config.judge.high) for a in attacks]
        total = (len(alone) + sum(map(len, asked))) * judging.scale.k
        ask = Ask(engine, progress=progress, name="attack", total=total)
        _, scores = judging(alone, ask)
        clean = dict(scores.select("completion_id", "score").iter_rows())
        _check_alone([clean[case.id] for case in wrong], config.pass_score, progress)
        for attack, questions in zip(attacks, asked, strict=True):
            _, scores = judging(questions, ask)
            told = dict(scores.select("completion_id", "score").iter_rows())
            of = right if attack.replaces else wrong
            for place in (IN_ANSWER,) if attack.replaces else (IN_ANSWER, IN_USER):
                yield summary(attack, place, of, clean, told, config.pass_score)
        ask.finish(f"{total} judgements")


def _check_alone(scores: Sequence[float | None], pass_score: float, progress: Progress) -> None:
    """Tells what the judge says of the wrong answers left alone. Raises InputError where it fails none: then nothing can be attacked."""
    unjudged = sum(score is None for score in scores)
    passed = sum(score is not None and score >= pass_score for score in scores)
    said = f"of {len(scores)} wrong answers left alone, the judge passes {passed} and says nothing of {unjudged}"
    if passed + unjudged == len(scores):
        raise InputError(
            f"{said}, so there is none to be attacked; see dalign spec check --model, or take a judge that fails them",
            kind="unjudged",
        )
    progress.say(said)


def _chosen(only: str | None) -> Sequence[Attack]:
    attacks = ATTACKS if only is None else named(only)
    if not attacks:
        kinds, names = (
            ", ".join(dict.fromkeys(found))
            for found in zip(*((a.kind, a.name) for a in ATTACKS), strict=True)
        )
        said = f"--only {only}: no attack is called so; kinds: {kinds}; names: {names}"
        raise InputError(said, kind="unknown_choice", value=only)
    return attacks
