"""admit: the judge on the policy's golden cases; one that does not tell them rightly neither filters nor rewards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from dalign.config import Config
from dalign.errors import InputError, UnfinishedError
from dalign.judge.admission import Shortfall, admission, judge_golden, shortfalls
from dalign.models.ask import Ask
from dalign.pipeline.engines import Engines
from dalign.pipeline.golden import golden_of
from dalign.pipeline.judging import judge_inputs, judging_of
from dalign.pipeline.plan import ADMIT
from dalign.pipeline.project import Project
from dalign.pipeline.stage import Inputs, Stage
from dalign.progress import Progress
from dalign.rows import SCORES, table
from dalign.spec.hashes import shown_hashes
from dalign.spec.trivial import trivial_judges
from dalign.store.folder import Finished, StageFolder
from dalign.store.run import RunFolder
from dalign.store.whole_files import digest
from dalign.vocabulary import trainings

# So many of what a judge misses are told in the sentence that refuses it.
_MOST_TOLD = 3


def inputs(project: Project, engines: Engines, run: RunFolder) -> Inputs:
    """What determines what is found."""
    cases, shown = golden_of(project), shown_hashes(project.spec)
    told = [[c.id, c.category, list(c.messages), c.answer, c.ruling, c.verdict] for c in cases]
    return {
        "judge": judge_inputs(project, engines),
        "shown": {name: shown[name] for name in sorted({case.category for case in cases})},
        "cases": digest(told),
        "pass_score": project.config.pass_score,
        "least": project.config.judge.admission,
        # Who is admitted once is so without being forced, too.
        "forced": project.config.judge.forced,
    }


def check_admitted(project: Project, engines: Engines, run: RunFolder) -> None:
    """Raises UnfinishedError where the judge that would decide now, by what is asked of it now, is not the one that was admitted."""
    folder, wanted = run.stage(ADMIT), inputs(project, engines, run)
    if not any(
        folder.is_done({**wanted, "forced": forced}) for forced in (wanted["forced"], False)
    ):
        raise UnfinishedError.of(run.path, ADMIT)


def drive(
    project: Project, engines: Engines, run: RunFolder, folder: StageFolder, progress: Progress
) -> Finished:
    """The judge's verdicts on the cases. Raises InputError where it is not admitted, unless that is forced."""
    config, cases = project.config, golden_of(project)
    engine = engines.open(config.judge_of_record)
    judging = judging_of(config, engine, project.spec, project.templates)
    ask = Ask(
        engine,
        folder.memory(),
        progress=progress,
        name="admit",
        total=len(cases) * judging.scale.k,
    )
    verdicts, scores, judged = judge_golden(cases, judging, config.pass_score, ask.chunk(0))
    states = Counter(verdicts["state"].to_list())
    shown = admission(judged, states, trivial_judges(cases))
    lacking = shortfalls(shown, judged, config.judge.admission or 0.0)
    agreement = shown.all.agreement or "no case judged"
    ask.finish(f"agreement {agreement}{', not admitted' if lacking else ''}")
    words = [each.words for each in lacking] if cases else ["the policy has no golden case"]
    _go_on(config, lacking, words, progress)
    kept, beside = folder.writer(config.run.part_rows), folder.writer(config.run.part_rows, SCORES)
    kept.add(verdicts)
    beside.add(scores)
    kept.end(table(judging.scale.columns))
    beside.end(table(judging.scale.score_columns))
    counts = {
        "rows_in": len(cases),
        "rows_out": verdicts.height,
        "forced": config.judge.forced and bool(words),
    }
    facts = {"admission": asdict(shown), "lacking": words}
    digests = [*kept.digests, *beside.digests]
    return Finished(counts, digests, facts, spec_versions=project.spec.versions)


def _go_on(
    config: Config, lacking: Sequence[Shortfall], words: Sequence[str], progress: Progress
) -> None:
    """Says what the judge lacks. Raises InputError unless that is forced, or a trial, which is to come to its end, whatever its few cases are worth."""
    if lacking and not config.judge.forced and config.data.limit is None:
        raise _refused(config.judge_of_record.path, lacking)
    for each in words:
        goes_on = "by --force" if config.judge.forced else "in a trial"
        progress.say(f"warning: the judge is not admitted, and goes on {goes_on}: {each}")


def _refused(judge: str, lacking: Sequence[Shortfall]) -> InputError:
    widest, others = lacking[0], len(lacking) - _MOST_TOLD
    wrong = ", ".join(
        f"{each.case.id} (to {each.case.verdict}, {'no score' if each.score is None else f'scored {each.score:g}'})"
        for each in widest.first
    )
    told = [widest.words, *([f"wrong first on {wrong}"] if wrong else [])]
    told += [each.words for each in lacking[1:_MOST_TOLD]]
    told += [f"and so on, {others} more"] if others > 0 else []
    said = f"the judge {judge} is not admitted: {'; '.join(told)}; take a stronger judge, mend its templates or the cases (dalign spec check --model names each), or go on with --force"
    return InputError(said, kind="not_admitted", value=widest.words)


def stages(arms: Sequence[str]) -> list[Stage]:
    """Where something is trained: there the judge may filter or reward; see `plan.make_plan`."""
    trained = any(trainings(kind, arms) for kind in ("sft", "rl"))
    return [Stage(ADMIT, (), inputs, drive)] if trained else []
