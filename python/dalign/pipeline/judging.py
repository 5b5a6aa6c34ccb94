"""The judge of a config, ready to be asked: what every stage that judges is handed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from dalign.config import Config, Judge
from dalign.judge.completions import judge
from dalign.judge.court import Asked, Court
from dalign.judge.forms.score import Question, Scale, ScoreForm
from dalign.models.protocol import Sampling
from dalign.pipeline.engines import Engines
from dalign.pipeline.project import Project, Source, shown_of
from dalign.pipeline.stage import Inputs
from dalign.rows import messages_from_json
from dalign.spec.templates import Templates
from dalign.spec.types import Spec


@dataclass(frozen=True)
class Judging:
    """Judges completions: how the judge is asked, drawn, and its verdicts reduced."""

    court: Court
    form: ScoreForm
    scale: Scale
    sampling: Sampling

    def __call__(
        self, questions: Sequence[Question], ask: Asked
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """(verdicts, scores) of questions."""
        return judge(questions, self.court, self.form, self.scale, ask, self.sampling)

    def answers(self, rows: pl.DataFrame, ask: Asked) -> tuple[pl.DataFrame, pl.DataFrame]:
        """(verdicts, scores) of answers alone, as RL's judge sees them. Columns: id, category, messages (JSON), answer."""
        columns = rows.select("id", "category", "messages", "answer").iter_rows()
        questions = [
            Question(row, category, messages_from_json(messages), answer, reasoning=None)
            for row, category, messages, answer in columns
        ]
        return self(questions, ask)


def court_of(config: Config, engines: Engines) -> Court:
    """The asker of the config's judge."""
    model = config.judge_of_record
    return Court.of(engines.open(model), model.reasoning, config.run.seed)


def judging_of(
    config: Config, engines: Engines, spec: Spec, templates: Templates, k: int | None = None
) -> Judging:
    """The judge of a config on a policy; `k` judgements instead of judge.k."""
    scale, sampling = scale_of(config.judge, k), sampling_of(config.judge)
    return Judging(court_of(config, engines), ScoreForm(spec, templates), scale, sampling)


def sampling_of(settings: Judge) -> Sampling:
    """How the judge's replies are drawn."""
    return Sampling(settings.temperature, settings.max_new_tokens)


def scale_of(settings: Judge, k: int | None = None) -> Scale:
    """How verdicts are reduced; `k` judgements instead of judge.k."""
    drawn = settings.k if k is None else k
    needed = settings.needed if k is None else min(k, settings.min_valid or k)
    low, high = settings.low, settings.high
    return Scale(
        drawn, needed, low, high, settings.aggregate, settings.parameter, settings.sub_scores
    )


def judge_inputs(project: Project, engines: Engines, *sources: Source) -> Inputs:
    """What determines the verdicts on answers to these prompts, apart from the questions."""
    config, model = project.config, project.config.judge_of_record
    return {
        "model": engines.fingerprint(model),
        "dtype": model.dtype,
        "settings": config.judge.model_dump(),
        "shown": shown_of(project, *sources),
        "templates": project.templates.sha256,
        "seed": config.run.seed,
    }
