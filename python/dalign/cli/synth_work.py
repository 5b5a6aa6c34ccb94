"""Opens the files of `dalign data synth`, has prompts written and ruled on, and tells the counts."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dalign import progress
from dalign.cli.synth_known import Files, evaluation_prompts, present_prompts
from dalign.cli.terminal import tell, tell_json, warn
from dalign.cli.work import only_one
from dalign.config import Config, Model
from dalign.errors import InputError, did_you_mean
from dalign.files.sift import dropped_path
from dalign.judge.ruling_form import read_form
from dalign.judge.rulings import TEMPLATE as RULING
from dalign.judge.rulings import Bench, Case, policies_shown
from dalign.models.engines.open import kind_of, resolved
from dalign.models.protocol import Request, Sampling
from dalign.models.replies import replies_to
from dalign.pipeline.context import RunContext
from dalign.sandbox.checkpoint import checkpoints
from dalign.settings import load_config
from dalign.spec.types import Clause, Spec
from dalign.store import Journal, write_text
from dalign.synth.checks import (
    Check,
    RuledAsOrdered,
    Rulings,
    no_copies,
    not_evaluated,
    not_known,
    sift,
)
from dalign.synth.orders import KINDS, Kind, Order, place_orders, writer_requests
from dalign.synth.written import Candidate, Dropped, read_written
from dalign.text import storable

# A writer is to vary; its lists are longer than an answer.
WRITING = Sampling(temperature=1.0, max_new_tokens=2048)

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True)
class Wanted:
    """What prompts are wanted, as the command line says it."""

    missing: Path | None
    clauses: Sequence[str]
    per_clause: int
    kinds: Sequence[str]
    languages: Sequence[str]

    def orders(self, spec: Spec) -> list[Order]:
        """The orders to the writer. Raises InputError for a clause, kind or language that is none."""
        for kind in self.kinds:
            if kind not in KINDS:
                raise InputError(f"--kind {kind}: {did_you_mean(kind, KINDS)}")
        for language in self.languages:
            if not _LANGUAGE.fullmatch(language):
                raise InputError(
                    f"--language {language}: not a language's code; give one such as en or pt-BR"
                )
        kinds: list[Kind] = [kind for kind in KINDS if not self.kinds or kind in self.kinds]
        languages = list(dict.fromkeys(self.languages))
        return place_orders(spec, self._clauses(spec), kinds, languages, self.per_clause)

    def _clauses(self, spec: Spec) -> list[Clause]:
        if self.missing is not None and self.clauses:
            raise InputError("--missing and --clause both name clauses; give one of the two")
        if self.missing is not None:
            from dalign.pipeline.coverage import coverage

            ids, whence = [r.clause for r in coverage(self.missing).short], f"{self.missing}"
        elif self.clauses:
            ids, whence = list(dict.fromkeys(self.clauses)), "--clause"
        else:
            return list(spec.clauses())
        known = {clause.id: clause for clause in spec.clauses()}
        for name in ids:
            if name not in known:
                raise InputError(f"{whence}: unknown clause {name!r}; {did_you_mean(name, known)}")
        return [known[name] for name in ids]


def write_prompts(
    out: Path,
    config_path: Path,
    wanted: Wanted,
    *,
    against: Sequence[Path],
    existing: Sequence[Path],
    seed: int | None,
    force: bool,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Writes the prompts that pass every check to `out`, the others with their reasons beside it."""
    work = out.with_name(f"{out.stem}.work")
    _check_work(work)
    # What a killed call has left is its own, and goes on.
    _check_out(out, force=force or work.is_dir())
    config = load_config(config_path, [])
    shown = progress.Silent() if as_json else progress.for_terminal()
    ctx = RunContext(config, work, checkpoints(), shown)
    seed = config.run.seed if seed is None else seed
    orders = wanted.orders(ctx.spec)
    requests = writer_requests(orders, ctx.templates, seed)
    if not ctx.templates.has_pair(RULING):
        raise InputError(
            f"{ctx.templates.folder}: has no {RULING}_system.j2 and {RULING}_user.j2, by which the judge "
            "rules on each prompt; copy them from the shipped templates and put them into its language"
        )
    for model in (config.writer, config.judge_of_record):
        _check_model(ctx, model)
    files = Files(config, existing, against, shown)
    known, evaluation = present_prompts(files, ctx.spec), evaluation_prompts(files)
    if dry_run or not orders:
        _tell_plan(orders, config, as_json=as_json)
        return
    with only_one(work):
        written, dropped = _written(ctx, orders, requests, work)
        ruled = RuledAsOrdered(_judge(ctx, seed, work), config.judge.k, config.judge.needed)
        checks: list[Check] = [not_known(known), not_evaluated(evaluation), ruled, no_copies]
        kept, more = sift(written, checks)
        result = _Result(out, orders, kept, [*dropped, *more], ruled.clauses)
        result.write()
        shutil.rmtree(work)
    result.tell(as_json=as_json)


def _check_work(work: Path) -> None:
    """Raises InputError where the folder of a killed call holds anything else: it is removed at the end."""
    found = sorted(path.name for path in work.iterdir()) if work.is_dir() else []
    for name in found:
        if name != ".lock" and not name.startswith(("journal-", "replies", "earlier")):
            raise InputError(
                f"{work / name}: stands where what is being written is kept; move it, or name another file"
            )


def _check_out(out: Path, *, force: bool) -> None:
    """Raises InputError where the result cannot be written."""
    if out.suffix.lower() != ".jsonl":
        raise InputError(f"{out}: its name must end in .jsonl: that is what is written")
    if not out.parent.is_dir():
        raise InputError(f"{out}: there is no folder {out.parent}; make it first")
    for path in (out, dropped_path(out, ".jsonl")):
        if path.is_dir() or (path.exists() and not force):
            raise InputError(
                f"{path}: is there already; name another file, or overwrite it with --force"
            )


def _check_model(ctx: RunContext, model: Model) -> None:
    kind_of(model).check(resolved(model, ctx.checkpoints))


def _written(
    ctx: RunContext, orders: Sequence[Order], requests: Sequence[Request], work: Path
) -> tuple[list[Candidate], list[Dropped]]:
    """The prompts that the writer has written, each reply journalled as it comes."""
    engine = ctx.engine(ctx.config.writer)
    replies, _ = replies_to(
        engine,
        requests,
        WRITING,
        journal=Journal(work / "journal-write.jsonl"),
        progress=ctx.progress,
        name="write",
    )
    ctx.progress.finish("write", f"{len(replies)} replies")
    judge = ctx.engine(ctx.config.judge_of_record)
    tokens = (*engine.control_tokens, *judge.control_tokens)
    return read_written(orders, [replies[r.id] for r in requests], tokens)


class _Judge:
    """The judge's rulings on candidates: k on each text, whatever orders it was written for."""

    def __init__(self, ctx: RunContext, bench: Bench, work: Path) -> None:
        self.ctx, self.bench, self.work = ctx, bench, work

    def __call__(self, candidates: Sequence[Candidate]) -> list[Rulings]:
        judge = self.ctx.config.judge
        unique = {each.id: Case(each.id, each.category, each.messages) for each in candidates}
        cases = list(unique.values())
        requests = self.bench.requests(cases, judge.k)
        replies, _ = replies_to(
            self.bench.engine,
            requests,
            Sampling(judge.temperature, judge.max_new_tokens),
            journal=Journal(self.work / "journal-rule.jsonl"),
            progress=self.ctx.progress,
            name="rule",
        )
        ruled, states = self.bench.read(cases, replies, requests)
        failed = states.total() - states["ok"]
        self.ctx.progress.finish("rule", f"{states.total()} rulings, {failed} not understood")
        return [[(each.ruling, each.clause) for each in ruled[c.id]] for c in candidates]


def _judge(ctx: RunContext, seed: int, work: Path) -> _Judge:
    engine = ctx.engine(ctx.config.judge_of_record)
    policies = policies_shown(ctx.spec, ctx.templates)
    form = read_form(ctx.spec, ctx.templates)
    return _Judge(ctx, Bench(engine, policies, ctx.templates, form, seed), work)


@dataclass(frozen=True)
class _Result:
    out: Path
    orders: Sequence[Order]
    kept: Sequence[Candidate]
    dropped: Sequence[Dropped]
    clauses: dict[str, str | None]

    def write(self) -> None:
        """Both files, each whole; the prompts last, since they say that all is done."""
        write_text(
            dropped_path(self.out, ".jsonl"), _lines([_dropped_row(d) for d in self.dropped])
        )
        write_text(self.out, _lines([self._row(candidate) for candidate in self.kept]))

    def _row(self, candidate: Candidate) -> dict[str, object]:
        expected = {"ruling": candidate.order.promised_ruling}
        clause = self.clauses[candidate.id]
        return {
            "id": candidate.id,
            "category": candidate.category,
            "messages": list(candidate.messages),
            "split": "train",
            "expected": expected | ({"clause": clause} if clause else {}),
        }

    def tell(self, *, as_json: bool) -> None:
        """Counts: JSON on stdout, or a few lines on stderr."""
        asked: Counter[str] = Counter()
        for order in self.orders:
            asked[order.clause.id] += order.count
        kept = Counter(candidate.order.clause.id for candidate in self.kept)
        reasons = dict(sorted(Counter(each.reason for each in self.dropped).items()))
        beside = dropped_path(self.out, ".jsonl")
        if as_json:
            clauses = [{"clause": c, "asked": n, "kept": kept[c]} for c, n in asked.items()]
            counts = {"asked": asked.total(), "kept": len(self.kept), "dropped": reasons}
            files = {"out": str(self.out), "dropped_rows": str(beside)}
            tell_json(files | counts | {"clauses": clauses})
            return
        for reason, count in reasons.items():
            warn(f"  dropped {count}: {reason}")
        for clause, count in asked.items():
            if kept[clause] < count:
                warn(f"  {clause}: {kept[clause]} of {count} kept")
        warn(f"wrote {len(self.kept)} prompts to {self.out}, the others to {beside}")


def _dropped_row(dropped: Dropped) -> dict[str, object]:
    order = dropped.order
    return {
        "reason": dropped.reason,
        "detail": dropped.detail,
        "clause": order.clause.id,
        "kind": order.kind,
        "language": order.language,
        "manner": order.manner,
        "text": dropped.text,
    }


def _lines(rows: Sequence[dict[str, object]]) -> str:
    return "".join(storable(json.dumps(row, ensure_ascii=False)) + "\n" for row in rows)


def _tell_plan(orders: Sequence[Order], config: Config, *, as_json: bool) -> None:
    """How much work the orders are; nothing is written."""
    prompts = sum(order.count for order in orders)
    plan = {
        "clauses": len({order.clause.id for order in orders}),
        "requests": len(orders),
        "prompts": prompts,
        "rulings_at_most": prompts * config.judge.k,
    }
    if as_json:
        tell_json({"plan": plan})
        return
    if not orders:
        tell("nothing to ask for: no clause is short, or none has prompts of that kind")
    tell("\n".join(f"{name.replace('_', ' ')}: {count}" for name, count in plan.items()))
