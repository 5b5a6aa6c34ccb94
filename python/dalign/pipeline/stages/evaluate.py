"""evaluate: one arm's completions on every suite, graded by truth and by the judge; then the metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import polars as pl

from dalign import generate
from dalign.config import Reasoning
from dalign.evaluate.metrics import metric_rows
from dalign.evaluate.retrieval import METRIC as RETRIEVAL
from dalign.evaluate.retrieval import OwnNames, retrieval_grades
from dalign.evaluate.suite import Retrieval, Suite, evaluated
from dalign.judge.forms.category import CategoryForm, classified
from dalign.judge.forms.score import Judging
from dalign.models.ask import Ask, words_of
from dalign.models.protocol import Asked, Engine, Sampling
from dalign.models.reasoning import parse
from dalign.models.samples import EQUAL, SAMPLED, equal_samples, tell_equal
from dalign.pipeline.engines import Engines
from dalign.pipeline.judging import judge_inputs, judging_of
from dalign.pipeline.project import Project
from dalign.pipeline.stage import Inputs, Stage, chunk_rows
from dalign.progress import Progress
from dalign.rows import GRADES, VERDICTS, Columns, Evaluated, Grade, Verdict, table
from dalign.store.folder import Finished, Made, StageFolder
from dalign.store.parts import ROWS
from dalign.store.run import RunFolder
from dalign.train.checkpoints import FINAL
from dalign.vocabulary import ARMS

# Of the questions of an arm, and in the counts those that are taken over.
COMPLETIONS = "completions"
_JUDGED = "judge "
# What judging and saying on depend on of the settings; what the run makes of missing grades, and of its judge, does not.
_BESIDE = {"suites", "arms", "max_forgetting", "max_kl", "max_missing", "judge_card"}


def inputs(project: Project, engines: Engines, run: RunFolder, arm: str) -> Inputs:
    """What determines an arm's grades."""
    config, trained, truth = project.config, ARMS[arm].checkpoint, project.patterns_sha256
    return {
        "arm": arm,
        # Parts follow the order of the suites.
        "order": [suite.name for suite in config.evaluate.suites],
        "model": engines.fingerprint(config.model),
        "trained": None if trained is None else run.stage(trained).output_sha256(),
        "suites": {
            s.name: [project.suites[s.name].sha256, truth.get(s.name), s.metrics, s.judge]
            for s in config.evaluate.suites
        },
        "settings": config.evaluate.model_dump(exclude=_BESIDE),
        "pass_score": config.pass_score,
        "reasoning": config.model.reasoning.identity,
        "judge": judge_inputs(project, engines, *project.suites.values()),
    }


@dataclass(frozen=True)
class OpenedArm:
    """An arm to be evaluated: how its completions are made and read, and who judges them.

    judging: None where no suite is judged; classifier: None where nobody asks for retrieval. names: the policy's.
    """

    name: str
    engine: Engine
    sight: generate.Sight
    reasoning: Reasoning
    judge_engine: Engine | None
    judging: Judging | None
    classifier: CategoryForm | None
    names: OwnNames

    @property
    def verdict_columns(self) -> Columns:
        """Those of its verdicts, if any."""
        return Verdict.COLUMNS if self.judging is None else self.judging.scale.columns

    def retrieval(self, ask: Asked) -> Retrieval:
        """Who says which category's policy its reasoning retrieved."""
        assert self.judging is not None and self.classifier is not None
        sampling = Sampling(0.0, self.judging.sampling.max_new_tokens)
        court = self.judging.court
        classify = partial(classified, self.classifier, court=court, ask=ask, sampling=sampling)
        known = self.classifier.names
        return partial(retrieval_grades, categories=known, classify=classify, names=self.names)


def drive(
    project: Project, engines: Engines, run: RunFolder, folder: StageFolder, progress: Progress
) -> Finished:
    """Suite after suite, chunk by chunk of prompts."""
    config, settings = project.config, project.config.evaluate
    suites = [
        Suite(s.name, s.metrics, project.patterns.get(s.name), s.judge, config.pass_score)
        for s in settings.suites
    ]
    arm = arm_of(project, engines, run, folder.variant)
    size = chunk_rows(config.run.part_rows, settings.samples)

    def chunks() -> Iterator[tuple[SuiteWork, pl.DataFrame]]:
        for suite in suites:
            source = project.suites[suite.name]
            drawn = Sampling(settings.temperature, settings.max_new_tokens)
            draws = generate.Draws(
                drawn, settings.samples, config.run.seed, f"evaluate {suite.name}"
            )
            each = SuiteWork(arm, suite, draws, folder, progress, source.rows)
            for rows in source.table.chunks(size):
                yield each, rows

    counts, parts = folder.by_chunks(
        chunks(),
        lambda number, chunk: chunk[0].make(number, chunk[1]),
        {ROWS: Evaluated.COLUMNS, GRADES: Grade.COLUMNS, VERDICTS: arm.verdict_columns},
        lambda chunk, done: chunk[0].skip(chunk[1].height, done),
    )
    prompts = {name: each.rows for name, each in project.suites.items()}
    metrics = metric_rows(
        arm.name,
        folder.table(GRADES).scan(),
        resamples=settings.resamples,
        seed=config.run.seed,
        rows_paths=first_parts(folder, prompts, size),
    )
    lost = {name: counts[name] for name in ("never_came", "malformed", "missing")}
    facts = {"metrics": [asdict(row) for row in metrics], **lost}
    judged = {name.removeprefix(_JUDGED): n for name, n in counts.items() if _JUDGED in name}
    tell_equal(progress.say, counts, settings.temperature, f"{folder.name}: prompts")
    judge = config.judge.temperature
    tell_equal(progress.say, judged, judge, f"{folder.name}: answers' verdicts")
    made = {name: counts[name] for name in ("rows_out", "taken_over", SAMPLED, EQUAL)}
    said = {"rows_in": sum(prompts.values()), **made}
    return Finished(said, parts, facts, project.spec.versions)


def first_parts(folder: StageFolder, suites: Mapping[str, int], size: int) -> dict[str, str]:
    """The file, below the run's folder, that each suite's rows begin in. suites: their prompts."""
    paths, number = {}, 0
    for name, prompts in suites.items():
        paths[name] = folder.table().path(number).relative_to(folder.run).as_posix()
        number += -(-prompts // size)
    return paths


def arm_of(project: Project, engines: Engines, run: RunFolder, name: str) -> OpenedArm:
    """The arm of that name, its models opened."""
    config, spec, templates = project.config, project.spec, project.templates
    suites, tags = config.evaluate.suites, engines.reasoning
    trained = ARMS[name].checkpoint
    judged = any(suite.judge for suite in suites)
    asks = tags.reasons and templates.has_pair(CategoryForm.name)
    judge = engines.open(config.judge_of_record) if judged else None
    k = config.evaluate.judge_k
    return OpenedArm(
        name,
        engines.trained(run.stage(trained).checked(FINAL))
        if trained
        else engines.open(config.model),
        generate.SIGHTS[ARMS[name].in_sight](spec, templates),
        tags,
        judge,
        None if judge is None else judging_of(config, judge, spec, templates, k),
        CategoryForm(spec.names, templates) if asks else None,
        OwnNames(spec),
    )


class SuiteWork:
    """Makes and grades an arm's completions of one suite."""

    def __init__(
        self,
        arm: OpenedArm,
        suite: Suite,
        draws: generate.Draws,
        folder: StageFolder,
        progress: Progress,
        prompts: int,
    ) -> None:
        self._arm, self._suite, self._draws = arm, suite, draws
        self._left, self._sums = prompts, Counter[str]()
        name, total = f"evaluate/{arm.name} {suite.name}", prompts * draws.n
        self._asks: dict[str, Ask] = {}
        # Requests for each completion.
        self._each: dict[str, int] = {}

        def add(what: str, engine: Engine, name: str, each: int) -> None:
            memory, of_all = folder.memory(what), total * each
            self._asks[what] = Ask(engine, memory, progress=progress, name=name, total=of_all)
            self._each[what] = each

        add(COMPLETIONS, arm.engine, name, 1)
        if suite.judged and arm.judge_engine is not None and arm.judging is not None:
            add("judge", arm.judge_engine, f"{name} judge", arm.judging.scale.k)
            if RETRIEVAL in suite.metrics and arm.classifier is not None:
                add("retrieval", arm.judge_engine, f"{name} retrieval", 1)

    def make(self, number: int, prompts: pl.DataFrame) -> Made:
        """Completions, verdicts and grades of some prompts."""
        arm = self._arm
        asks = {what: ask.chunk(number) for what, ask in self._asks.items()}
        made = generate.complete(prompts, arm.sight, self._draws, asks[COMPLETIONS])
        # Where a reply is all answer, what is cut is graded by what is there; in a reasoning no answer is.
        is_cut = (made["finish"] == "length") & (arm.reasoning.reasons)
        opened = arm.engine.opens_reasoning
        parsed = parse(made["text"], is_cut, arm.reasoning, opened=opened)
        asked = asks.get("judge")
        judge = partial(arm.judging.answers, ask=asked) if arm.judging and asked else None
        retrieval = arm.retrieval(asks["retrieval"]) if "retrieval" in asks else None
        made = pl.concat([made, parsed], how="horizontal")
        rows, grades, verdicts, counts = evaluated(
            made, prompts, self._suite, judge, retrieval, arm=arm.name
        )
        counts |= equal_samples(rows["prompt_id"], rows["text"], rows["finish"])
        if verdicts is not None:
            of = (verdicts[name] for name in ("completion_id", "reply", "state"))
            counts |= {_JUDGED + name: n for name, n in equal_samples(*of).items()}
        counts["taken_over"] = sum(each.taken_over for each in asks.values())
        counts[COMPLETIONS] = asks[COMPLETIONS].taken_over
        self._advance(prompts.height, counts)
        judged = table(arm.verdict_columns) if verdicts is None else verdicts
        return Made({ROWS: rows, GRADES: grades, VERDICTS: judged}, counts)

    def skip(self, prompts: int, counts: Mapping[str, int]) -> None:
        """Notes prompts that an earlier call of the program has done."""
        self._advance(prompts, counts)

    def _advance(self, prompts: int, counts: Mapping[str, int]) -> None:
        self._left -= prompts
        self._sums.update(counts)
        for what, ask in self._asks.items():
            # For a malformed one, or an equal one again, nothing is asked.
            ask.reach(self._sums["rows_out"] * self._each[what])
        if self._left == 0:
            told = f"{self._sums['rows_out']} completions{words_of(self._sums[COMPLETIONS])}"
            for what, ask in self._asks.items():
                ask.finish(told if what == COMPLETIONS else "")


def stages(arms: Sequence[str]) -> list[Stage]:
    """A stage for each arm."""
    needs = {arm: tuple(filter(None, [ARMS[arm].checkpoint])) for arm in arms}
    return [Stage(f"evaluate/{arm}", needs[arm], partial(inputs, arm=arm), drive) for arm in arms]
