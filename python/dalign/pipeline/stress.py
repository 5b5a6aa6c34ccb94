"""Has models answer prompts of each clause with the policy in sight, and a judge say which answers keep it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import polars as pl

from dalign import generate
from dalign.config import Config
from dalign.errors import InputError, did_you_mean
from dalign.judge.forms.score import Question
from dalign.judge.stress import Answered, Probe, Stressed, probes_of, stressed
from dalign.models.ask import Ask
from dalign.models.protocol import Sampling
from dalign.models.reasoning import parse
from dalign.models.spending import Meter
from dalign.pipeline.engines import Engines, meter_of
from dalign.pipeline.judging import opened_judge
from dalign.progress import Progress
from dalign.rows import MESSAGES, NEVER_CAME, OK, Columns
from dalign.spec.golden import load_golden
from dalign.spec.parse import load_spec
from dalign.spec.templates import load_templates
from dalign.spec.types import Spec


def stress(
    config: Config,
    others: Sequence[Config],
    *,
    k: int,
    prompts: int,
    only: Sequence[str],
    progress: Progress,
) -> list[Stressed]:
    """Each clause with what became of k answers to each of its prompts, the most urgent first.

    config: whose policy, model and judge it is. others: whose models answer too. prompts: of a clause, at most. only:
    clauses or categories. The models of each config are asked for no more than its own run.cap lets.
    Raises InputError for a clause that the policy does not have, and where no clause has a prompt.
    """
    spec = load_spec(config.spec.path)
    probes = _probes(spec, prompts, only, progress)
    answers: list[Answered] = []
    judged = meter_of(config)
    for number, each in enumerate((config, *others), 1):
        # Two configs may call their models alike.
        name = Path(each.model.path).name + (f" ({number})" if others else "")
        meter = judged if number == 1 else meter_of(each)
        made = _completions(each, name, spec, probes, k, progress, meter)
        answers += _answers(config, made, name, spec, probes, progress, judged)
    return stressed(probes, answers)


def _probes(spec: Spec, prompts: int, only: Sequence[str], progress: Progress) -> list[Probe]:
    known = [*(clause.id for clause in spec.clauses()), *spec.names]
    for name in only:
        if name not in known:
            said = f"--clause {name}: no such clause or category; {did_you_mean(name, known)}"
            raise InputError(said, kind="unknown_choice", value=name)
    probes = probes_of(spec, load_golden(spec), prompts, only)
    asked = {probe.clause.id for probe in probes}
    wanted = [c.id for c in spec.clauses() if not only or {c.id, c.category} & set(only)]
    without = [name for name in wanted if name not in asked]
    if not probes:
        said = f"{spec.folder}: {', '.join(without)} has no example and no golden case, so there is nothing to ask; give each clause an example"
        raise InputError(said, kind="empty", path=spec.folder)
    if without:
        progress.say(
            f"warning: nothing is asked of {', '.join(without)}: no example and no golden case"
        )
    return probes


def _answers(
    of: Config,
    made: pl.DataFrame,
    name: str,
    spec: Spec,
    probes: Sequence[Probe],
    progress: Progress,
    meter: Meter,
) -> Iterator[Answered]:
    """What the judge of one config says of the answers of a model. meter: of that config."""
    good = made.filter(pl.col("status") == OK)
    by_id = {probe.id: probe for probe in probes}
    questions = {
        row: Question(by_id[prompt].clause.category, by_id[prompt].messages, answer, reasoning=None)
        for row, prompt, answer in good.select("id", "prompt_id", "answer").iter_rows()
    }
    with opened_judge(of, spec, meter) as (engine, judging, _):
        total = len(questions) * judging.scale.k
        ask = Ask(engine, progress=progress, name=f"judge {name}", total=total)
        _, scores = judging(questions, ask)
        ask.finish(f"{len(questions)} of {made.height} answers judged")
    told = dict(scores.select("completion_id", "score").iter_rows())
    for row, prompt in made.select("id", "prompt_id").iter_rows():
        score = told.get(row)
        yield Answered(prompt, name, None if score is None else score >= of.pass_score)


def _completions(
    config: Config,
    name: str,
    spec: Spec,
    probes: Sequence[Probe],
    k: int,
    progress: Progress,
    meter: Meter,
) -> pl.DataFrame:
    """k answers to each probe with the policy in sight. Columns: id, prompt_id, status, answer."""
    settings = config.generate
    rows = [(probe.id, probe.clause.category, list(probe.messages)) for probe in probes]
    schema: Columns = {"id": pl.String, "category": pl.String, "messages": MESSAGES}
    prompts = pl.DataFrame(rows, schema=pl.Schema(schema), orient="row")
    drawn = Sampling(settings.temperature, settings.max_new_tokens, settings.top_p)
    draws = generate.Draws(drawn, k, config.run.seed, "stress")
    with closing(Engines(config, meter=meter)) as engines:
        templates = load_templates(spec.folder, engines.budget(), config.spec.place)
        sight = generate.category_in_sight(spec, templates)
        ask = Ask(
            engines.open(config.model),
            progress=progress,
            name=f"answer {name}",
            total=k * len(rows),
        )
        made = generate.complete(prompts, sight, draws, ask)
        ask.finish(f"{made.height} answers")
        cut, opened = made["finish"] == "length", engines.opens_reasoning
        parts = parse(made["text"], cut, engines.reasoning, opened=opened, control=engines.control)
    came = ~made["finish"].is_in(list(NEVER_CAME))
    status = pl.when(came).then(parts["status"]).otherwise(made["finish"])
    return made.select("id", "prompt_id").with_columns(status.alias("status"), parts["answer"])
