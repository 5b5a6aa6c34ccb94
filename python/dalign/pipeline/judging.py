"""The judge of a config, ready to be asked: what every stage that judges is handed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import NamedTuple

from dalign.config import Config, Judge
from dalign.errors import InputError, did_you_mean
from dalign.judge.court import Court
from dalign.judge.forms.score import Judging, ScoreForm
from dalign.judge.scale import Scale
from dalign.models.protocol import Engine, Sampling
from dalign.models.spending import Meter
from dalign.pipeline.engines import Engines
from dalign.pipeline.project import Project, Source, shown_of
from dalign.pipeline.stage import Inputs
from dalign.spec.templates import Templates, load_templates
from dalign.spec.types import Spec
from dalign.vocabulary import OWN, SUB_SCORES


def court_of(config: Config, engine: Engine) -> Court:
    """The asker of the config's judge, which is this engine."""
    return Court.of(engine, config.judge_of_record.reasoning, config.run.seed)


def judging_of(
    config: Config, engine: Engine, spec: Spec, templates: Templates, k: int | None = None
) -> Judging:
    """The judge of a config, which is this engine, on a policy; `k` judgements instead of judge.k."""
    templates.check_scale(config.judge.low, config.judge.high)
    scale, sampling = scale_of(config.judge, k, templates), sampling_of(config.judge)
    scale = replace(scale, veto=vetoes(config.judge, spec))
    ends, asked = {"low": scale.low, "high": scale.high}, scale.sub_scores
    form = ScoreForm(spec, templates, sub_scores=asked, **ends)
    return Judging(court_of(config, engine), form, scale, sampling)


class OpenedJudge(NamedTuple):
    """The judge of a config, ready to be asked about a policy outside a run."""

    engine: Engine
    judging: Judging
    templates: Templates


@contextmanager
def opened_judge(config: Config, spec: Spec, meter: Meter | None = None) -> Iterator[OpenedJudge]:
    """The judge, with the policy's templates; closed at the end. meter: of what else is asked of the config's models.

    Raises InputError for a template or a model that cannot be used, and CapError before more is asked than run.cap lets.
    """
    with closing(Engines(config, meter=meter)) as engines:
        templates = load_templates(spec.folder, engines.budget())
        engine = engines.open(config.judge_of_record)
        yield OpenedJudge(engine, judging_of(config, engine, spec, templates), templates)


def sampling_of(settings: Judge) -> Sampling:
    """How the judge's replies are drawn."""
    return Sampling(settings.temperature, settings.max_new_tokens)


def scale_of(settings: Judge, k: int | None = None, templates: Templates | None = None) -> Scale:
    """How verdicts are reduced; `k` judgements instead of judge.k. templates: which may ask for sub-scores by themselves.

    Raises InputError where the score is to be made of sub-scores that nobody asks for.
    """
    drawn = settings.k if k is None else k
    needed = settings.needed if k is None else min(k, settings.min_valid or k)
    low, high, parts = settings.low, settings.high, settings.sub_scores
    if parts is None:
        parts = SUB_SCORES if templates is not None and templates.asks_for_parts else ()
        if settings.reduce != OWN and not parts:
            said = f"judge.reduce = {settings.reduce!r}: the judge's template asks for no sub-scores; name in judge.sub_scores those that it asks for, or set judge.reduce = {OWN!r}"
            raise InputError(said, kind="not_valid", key="judge.reduce", value=settings.reduce)
    if settings.veto and not parts:
        said = "judge.veto: single clauses are asked for with sub-scores, and the judge's template asks for none; name some in judge.sub_scores, or leave judge.veto out"
        raise InputError(said, kind="not_valid", key="judge.veto", value=settings.veto[0])
    how = (settings.aggregate, settings.parameter, parts, settings.reduce, settings.veto)
    return Scale(drawn, needed, low, high, *how)


def vetoes(settings: Judge, spec: Spec) -> tuple[str, ...]:
    """The clauses that have a veto, by their ids.

    Raises InputError for a clause or category that the policy does not have, and for a key that a judge's line does not show.
    """
    clauses = list(spec.clauses())
    known = ["*", *spec.names, *(clause.id for clause in clauses)]
    for name in settings.veto:
        if name not in known:
            said = f"judge.veto names {name!r}, which is no clause and no category of {spec.folder}; {did_you_mean(name, known)}"
            raise InputError(said, kind="unknown_choice", key="judge.veto", value=name)
    named = {"*", *settings.veto} if "*" in settings.veto else set(settings.veto)
    found = [c for c in clauses if {"*", c.category, c.id} & named]
    for clause in found:
        if not any(character.isdigit() or character == "." for character in clause.key):
            said = f"judge.veto: in a judge's line an id has a digit or a full stop, and clause {clause.id} has none in its key; leave it out, or give the clause a key such as S1"
            raise InputError(said, kind="not_valid", key="judge.veto", value=clause.id)
    return tuple(clause.id for clause in found)


def judge_inputs(project: Project, engines: Engines, *sources: Source) -> Inputs:
    """What determines the verdicts on answers to these prompts, apart from the questions."""
    config, model = project.config, project.config.judge_of_record
    return {
        "model": engines.fingerprint(model),
        # By which a reply is read.
        "reasoning": model.reasoning.identity,
        "settings": config.judge.identity,
        "shown": shown_of(project, *sources),
        "templates": project.templates.sha256,
        "seed": config.run.seed,
    }
