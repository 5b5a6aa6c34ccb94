"""Has the models of a config write prompts and rule on them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dalign.config import Config
from dalign.judge.forms.ruling import Case, RulingForm
from dalign.models.ask import Ask
from dalign.models.protocol import Engine
from dalign.models.reasoning import heard_by
from dalign.pipeline.engines import Engines
from dalign.pipeline.judging import court_of, sampling_of
from dalign.pipeline.work_spent import work_meter
from dalign.progress import Progress
from dalign.spec.parse import load_spec
from dalign.spec.templates import load_templates
from dalign.store.lock import only_one
from dalign.store.memory import Memory
from dalign.store.whole_files import remove
from dalign.synth.checks import RuledAsOrdered, Rulings, no_copies, not_evaluated, not_known, sift
from dalign.synth.known import examples, prompts_in, there
from dalign.synth.orders import Wanted, need_pair, writer_requests
from dalign.synth.result import RULE, WRITE, WRITING, Synthesised, dropped_beside, work_folder
from dalign.synth.written import Candidate, read_written

# What a command is handed of synth.
__all__ = ["Job", "Prepared", "Synthesised", "Wanted", "dropped_beside"]


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


class Prepared:
    """A job whose every input is checked. plan: how much work it is."""

    def __init__(self, config: Config, job: Job) -> None:
        """Raises InputError for input that cannot be used."""
        if job.seed is not None:
            run = config.run.model_copy(update={"seed": job.seed})
            config = config.model_copy(update={"run": run})
        self._config, self._job = config, job
        self._work = work_folder(job.out, force=job.force)
        self._meter = work_meter(config, self._work, job.progress)
        self._engines = Engines(config, meter=self._meter)
        spec = load_spec(config.spec.path)
        templates = load_templates(config.spec.path, self._engines.budget())
        self.orders = job.wanted.orders(spec)
        self._requests = writer_requests(self.orders, templates, config.run.seed)
        need_pair(templates, RulingForm.name, "by which the judge rules on each prompt")
        self._form = RulingForm(spec, templates, templates.specs(spec))
        self._engines.check(config.writer, config.judge_of_record)
        own = [path for path in (config.data.prompts, config.data.rl_prompts) if path is not None]
        suites = [suite.path for suite in config.evaluate.suites]
        present = [*there(own, "prompts", job.progress), *job.existing]
        evaluated = [*there(suites, "suite", job.progress), *job.against]
        self._new = [
            not_known([*examples(spec), *prompts_in(present)]),
            not_evaluated(list(prompts_in(evaluated))),
        ]
        prompts = sum(order.count for order in self.orders)
        self.plan = {
            "clauses": len({order.clause.id for order in self.orders}),
            "requests": len(self.orders),
            "prompts": prompts,
            "rulings_at_most": prompts * config.judge.k,
        }

    def write(self) -> Synthesised:
        """Writes the prompts that pass every check, and the others with their reasons beside them.

        A kill loses what is in flight, and a cap ends it: the same job goes on.
        """
        with only_one(self._work), closing(self._engines):
            try:
                result = self._made()
            finally:
                self._meter.keep(self._meter.taken)
            result.write(self._job.out)
            remove(self._work)
        return result

    def _made(self) -> Synthesised:
        config = self._config
        writer = self._engines.open(config.writer)
        judge = self._engines.open(config.judge_of_record)
        tokens = (*writer.control_tokens, *judge.control_tokens)
        said = heard_by(writer, config.writer.reasoning)
        ask = self._ask(writer, WRITE)
        replies = ask(self._requests, WRITING)
        ask.finish(f"{len(replies)} replies")
        written, dropped = read_written(self.orders, replies, tokens, said)
        ruled = RuledAsOrdered(partial(self._rule, judge), config.judge.k, config.judge.needed)
        kept, more = sift(written, [*self._new, ruled, no_copies])
        return Synthesised(self.orders, kept, [*dropped, *more], ruled.clauses)

    def _ask(self, engine: Engine, name: str) -> Ask:
        return Ask(engine, Memory(self._work, name), progress=self._job.progress, name=name)

    def _rule(self, engine: Engine, candidates: Sequence[Candidate]) -> list[Rulings]:
        """The judge's valid rulings on each text, whatever orders it was written for."""
        judge, court = self._config.judge, court_of(self._config, engine)
        cases = {each.id: Case(each.category, each.messages) for each in candidates}
        ask = self._ask(engine, RULE)
        said, states = court.ask(self._form, cases, judge.k, ask, sampling_of(judge))
        ask.finish(f"{states.total()} rulings, {states.total() - states['ok']} not understood")
        return [said[each.id] for each in candidates]
