"""What a run will take before it is begun: requests, tokens, money and time, stage by stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

import polars as pl

from dalign import generate
from dalign.config import Config, Model, Price
from dalign.errors import InputError
from dalign.judge.court import Court
from dalign.judge.forms.category import CategoryForm
from dalign.judge.forms.score import Question, ScoreForm
from dalign.models.checkpoint import ids_of
from dalign.models.render import Renderer
from dalign.models.spending import Spent
from dalign.pipeline.engines import Engines
from dalign.pipeline.judging import scale_of
from dalign.pipeline.plan import DONE
from dalign.pipeline.project import Project, Source
from dalign.pipeline.spent import spent_in
from dalign.pipeline.work import COMPLETE, JUDGE, SECOND, Work, work_of
from dalign.rows import Message, turns
from dalign.store.damage import is_run
from dalign.store.run import RunFolder, no_run
from dalign.vocabulary import TRAININGS

# Of a file's prompts, how many are counted in tokens, spread over all of it.
_SAMPLE = 48
# Where no tokenizer is here: characters of a token, and tokens around a turn.
_CHARACTERS, _A_TURN = 4, 8
# What a stage's trainer draws by itself.
TRAINER = "trainer"
_JUDGED = "judge/main"
_Shown = Callable[[str, tuple[Message, ...]], tuple[Message, ...]]


@dataclass(frozen=True)
class Cost:
    """What a stage asks of a model. model: the config's name for it, or `trainer`. read, written: tokens.

    written: at most; read: by a sample of the prompts, with answers as long as they may be. Where is_measured, both are
    as in a trial. is_counted: by the model's tokenizer, and not by characters. money, seconds: None where nothing tells.
    """

    stage: str
    model: str
    requests: int
    read: float
    written: float
    money: float | None
    seconds: float | None = None
    is_measured: bool = False
    is_counted: bool = True


@dataclass(frozen=True)
class Trial:
    """What another run of the same kind took. spent: by stage and model; trained: seconds by stage, what models took aside.

    asked: of the judge stage's judgements, the share that tells which completions pass.
    """

    spent: Mapping[str, Spent]
    trained: Mapping[str, float]
    prompts: int
    steps: Mapping[str, int]
    asked: float = 1.0


def trial_of(folder: Path) -> Trial:
    """What a run took. Raises InputError for a folder without one, or whose run has asked nothing."""
    run = RunFolder(folder)
    if not is_run(folder):
        raise no_run(folder)
    spent = spent_in(run)
    if not spent:
        said = f"{folder}: nothing was asked of a model here, so it tells no cost; run a trial (dalign run CONFIG --run TRIAL --limit 20)"
        raise InputError(said, kind="no_run", path=folder)
    trained, steps = {}, {}
    for kind in sorted(TRAININGS):
        for place in sorted((folder / kind).glob("*/")):
            stage = run.stage(f"{kind}/{place.name}")
            took, asked = stage.cost().get("wall_s"), _of_stage(spent, stage.name).seconds
            if isinstance(took, int | float):
                trained[stage.name] = max(0.0, float(took) - asked)
                counted = stage.recorded("counts").get("steps", 0)
                steps[stage.name] = counted if isinstance(counted, int) else 0
    generated = run.stage("generate").recorded("counts").get("rows_in", 0)
    prompts = generated if isinstance(generated, int) else 0
    return Trial(spent, trained, prompts, steps, _asked_in(run))


def _asked_in(run: RunFolder) -> float:
    counts = run.stage("judge").recorded("counts")
    verdicts, spared = counts.get("verdicts", 0), counts.get("spared", 0)
    return counts.get("needed", verdicts) / (verdicts + spared) if verdicts else 1.0


def _of_stage(spent: Mapping[str, Spent], stage: str) -> Spent:
    return sum((each for key, each in spent.items() if key.partition(" ")[0] == stage), Spent())


def costs_of(
    project: Project,
    engines: Engines,
    states: Sequence[Mapping[str, object]],
    *,
    trial: Trial | None = None,
) -> list[Cost]:
    """What each stage that is not done takes, at most or as in a trial; a row for each model that it asks."""
    done = {str(row["node"]) for row in states if row["state"] == DONE}
    counter = _Counter(project, engines)
    found: dict[tuple[str, str], Cost] = {}
    for work in work_of(project):
        if work.stage in done:
            continue
        each = counter.cost(work)
        key = (each.stage, each.model)
        found[key] = _sum(found[key], each) if key in found else each
    costs = [_as_in(trial, cost, project) for cost in found.values()]
    for stage, seconds in ({} if trial is None else _trained(project, trial, done)).items():
        drawn = [cost for cost in costs if (cost.stage, cost.model) == (stage, TRAINER)]
        alone = Cost(stage, TRAINER, 0, 0.0, 0.0, 0.0)
        costs = [cost for cost in costs if cost not in drawn]
        costs.append(replace(next(iter(drawn), alone), seconds=seconds))
    order = [str(row["node"]) for row in states]
    return sorted(costs, key=lambda cost: order.index(cost.stage))


def _sum(one: Cost, other: Cost) -> Cost:
    return replace(
        one,
        requests=one.requests + other.requests,
        read=one.read + other.read,
        written=one.written + other.written,
        money=None if one.money is None or other.money is None else one.money + other.money,
        is_counted=one.is_counted and other.is_counted,
    )


def _price(config: Config, model: str) -> Price:
    found = config.asked.get(model)
    return Price() if found is None else found.price


def _as_in(trial: Trial | None, cost: Cost, project: Project) -> Cost:
    """The cost with the trial's tokens and seconds a request, where it has asked the same."""
    known = Spent() if trial is None else trial.spent.get(f"{cost.stage} {cost.model}", Spent())
    if not known.requests:
        return cost
    stops_early = project.config.stops_below is not None
    if trial is not None and cost.stage == _JUDGED and stops_early:
        cost = replace(cost, requests=ceil(cost.requests * trial.asked))
    times = cost.requests / known.requests
    # A trial without prompts' counts tells nothing of them.
    read = known.read * times if known.read else cost.read
    written = known.written * times if known.written else cost.written
    seconds = known.seconds * times
    money = _price(project.config, cost.model).of(read, written, seconds)
    return replace(cost, read=read, written=written, seconds=seconds, money=money, is_measured=True)


def _trained(project: Project, trial: Trial, done: set[str]) -> dict[str, float]:
    """Seconds of each training, as the trial's by steps of RL and distillation, and by prompts of SFT."""
    found = {}
    for stage, seconds in trial.trained.items():
        kind, config = stage.partition("/")[0], project.config
        now = {"rl": config.rl.steps, "distill": config.distill.steps}.get(
            kind, project.prompts.rows
        )
        then = trial.prompts if kind == "sft" else trial.steps.get(stage, 0)
        if stage not in done and then:
            found[stage] = seconds * now / then
    return found


class _Counter:
    """Counts the tokens of what is asked, on a sample of the prompts."""

    def __init__(self, project: Project, engines: Engines) -> None:
        self._project, self._engines, config = project, engines, project.config
        scale = scale_of(config.judge, templates=project.templates)
        ends, asked = {"low": scale.low, "high": scale.high}, scale.sub_scores
        self._form = ScoreForm(project.spec, project.templates, sub_scores=asked, **ends)
        self._category = CategoryForm(project.spec.names, project.templates)
        self._court = Court((), config.run.seed)
        self._known: dict[tuple[int, str, str], tuple[float, bool]] = {}

    def cost(self, work: Work) -> Cost:
        """What a kind of requests takes at most."""
        config = self._project.config
        model = {COMPLETE: config.model, SECOND: config.second_judge_model}.get(work.asks)
        model = model or config.judge_of_record
        name = next(key for key, known in config.asked.items() if known == model)
        key = (id(work.source), work.asks, work.sight)
        if key not in self._known:
            self._known[key] = self._tokens(work.source, self._shown(work), model)
        tokens, is_counted = self._known[key]
        read, written = work.requests * (tokens + work.answers), work.requests * work.written
        if not work.is_asked:
            return Cost(
                work.stage, TRAINER, work.requests, read, written, 0.0, is_counted=is_counted
            )
        price = _price(config, name)
        money = None if price.hour else price.of(read, written, 0.0)
        return Cost(work.stage, name, work.requests, read, written, money, is_counted=is_counted)

    def _shown(self, work: Work) -> _Shown:
        project, court = self._project, self._court
        if work.asks == COMPLETE:
            return generate.SIGHTS[work.sight](project.spec, project.templates)
        if work.asks in (JUDGE, SECOND):
            return lambda category, messages: (
                court.put(self._form, {"": Question(category, messages, "", None)}, 1)
                .requests[0]
                .messages
            )
        return lambda _category, _messages: (
            court.put(self._category, {"": ("",)}, 1).requests[0].messages
        )

    def _tokens(self, source: Source, shown: _Shown, model: Model) -> tuple[float, bool]:
        """The mean of the prompts' tokens as the model reads them, and whether its tokenizer has counted them."""
        step = max(1, -(-source.rows // _SAMPLE))
        rows = source.table.scan().select("id", "category", "messages")
        found: pl.DataFrame = rows.gather_every(step).head(_SAMPLE).collect()
        own = turns(found["messages"])
        asked = [shown(*each) for each in zip(found["category"], own, strict=True)]
        renderer = self._engines.renderer_of(model)
        lengths = _by_characters(asked) if renderer is None else _by_tokenizer(asked, renderer)
        return sum(lengths) / max(1, len(lengths)), renderer is not None


def _by_tokenizer(asked: Sequence[tuple[Message, ...]], renderer: Renderer) -> list[int]:
    return [len(ids) for ids in ids_of(renderer.tokenizer, renderer.prompts(asked))]


def _by_characters(asked: Sequence[tuple[Message, ...]]) -> list[int]:
    return [sum(len(m["content"]) // _CHARACTERS + _A_TURN for m in each) for each in asked]
