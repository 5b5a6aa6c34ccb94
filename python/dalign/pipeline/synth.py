"""Has the models of a config write prompts and rule on them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dalign.config import Config
from dalign.errors import InputError
from dalign.judge.forms.ruling import Case, RulingForm, policies_shown
from dalign.judge.forms.ruling_words import read_words
from dalign.models.ask import Ask
from dalign.models.protocol import Request
from dalign.pipeline.engines import Engines
from dalign.pipeline.judging import court_of, sampling_of
from dalign.progress import Progress
from dalign.spec.parse import load_spec
from dalign.spec.templates import load_templates
from dalign.store.lock import only_one
from dalign.store.memory import Memory
from dalign.synth.checks import Known, RuledAsOrdered, Rulings, not_evaluated, not_known
from dalign.synth.known import evaluation_prompts, present_prompts, there
from dalign.synth.orders import Order, Wanted, writer_requests
from dalign.synth.run import RULE, WRITE, Synthesised, Writing, synthesise, work_folder
from dalign.synth.written import Candidate


@dataclass(frozen=True)
class Job:
    """What to write where. existing: files whose prompts may not be repeated; against: evaluation sets.

    seed: of every draw; None: run.seed. force: overwrite `out`.
    """

    out: Path
    wanted: Wanted = field(default_factory=Wanted)
    existing: Sequence[Path] = ()
    against: Sequence[Path] = ()
    seed: int | None = None
    force: bool = False
    progress: Progress = field(default_factory=Progress)


@dataclass(frozen=True)
class Prepared:
    """A job whose every input is checked. known, evaluation: what no prompt may repeat."""

    job: Job
    config: Config
    engines: Engines
    form: RulingForm
    orders: Sequence[Order]
    requests: Sequence[Request]
    known: Known
    evaluation: Known
    work: Path

    @property
    def plan(self) -> dict[str, int]:
        """How much work it is."""
        prompts = sum(order.count for order in self.orders)
        return {
            "clauses": len({order.clause.id for order in self.orders}),
            "requests": len(self.orders),
            "prompts": prompts,
            "rulings_at_most": prompts * self.config.judge.k,
        }

    def write(self) -> Synthesised:
        """Writes the prompts that pass every check, and the others with their reasons beside them.

        A kill loses what is in flight: the same job goes on.
        """
        judge = self.config.judge
        with only_one(self.work):
            ruled = RuledAsOrdered(self._rule, judge.k, judge.needed)
            checks = [not_known(self.known), not_evaluated(self.evaluation)]
            result = synthesise(self._writing(), checks, ruled)
            result.write(self.job.out)
            shutil.rmtree(self.work)
        return result

    def _writing(self) -> Writing:
        writer = self.engines.open(self.config.writer)
        judge = self.engines.open(self.config.judge_of_record)
        tokens = (*writer.control_tokens, *judge.control_tokens)
        ask = Ask(writer, Memory(self.work, WRITE), progress=self.job.progress, name=WRITE)
        return Writing(self.orders, self.requests, ask, tokens)

    def _rule(self, candidates: Sequence[Candidate]) -> list[Rulings]:
        """The judge's valid rulings on each text, whatever orders it was written for."""
        config = self.config
        cases = {each.id: Case(each.category, each.messages) for each in candidates}
        engine = self.engines.open(config.judge_of_record)
        ask = Ask(engine, Memory(self.work, RULE), progress=self.job.progress, name=RULE)
        court = court_of(config, self.engines)
        said, states = court.ask(self.form, cases, config.judge.k, ask, sampling_of(config.judge))
        ask.finish(f"{states.total()} rulings, {states.total() - states['ok']} not understood")
        return [said[each.id] for each in candidates]


def prepare(config: Config, job: Job) -> Prepared:
    """The job, ready to be written. Raises InputError for input that cannot be used."""
    if job.seed is not None:
        run = config.run.model_copy(update={"seed": job.seed})
        config = config.model_copy(update={"run": run})
    work, engines = work_folder(job.out, force=job.force), Engines(config)
    spec = load_spec(config.spec.path)
    templates = load_templates(config.spec.path, engines.budget())
    orders = job.wanted.orders(spec)
    requests = writer_requests(orders, templates, config.run.seed)
    if not templates.has_pair(RulingForm.name):
        raise InputError(
            f"{templates.folder}: has no {RulingForm.name}_system.j2 and {RulingForm.name}_user.j2, by which the judge "
            "rules on each prompt; copy them from the shipped templates and put them into its language"
        )
    engines.check(config.writer, config.judge_of_record)
    own = [path for path in (config.data.prompts, config.data.rl_prompts) if path is not None]
    suites = [suite.path for suite in config.evaluate.suites]
    return Prepared(
        job,
        config,
        engines,
        RulingForm(policies_shown(spec, templates), templates, read_words(spec, templates)),
        orders,
        requests,
        present_prompts(spec, [*there(own, "prompts", job.progress), *job.existing]),
        evaluation_prompts([*there(suites, "suite", job.progress), *job.against]),
        work,
    )
