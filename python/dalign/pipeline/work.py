"""How much a whole run of a project makes, and at most asks of its models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dalign.evaluate.retrieval import METRIC as RETRIEVAL
from dalign.pipeline.golden import cases_of
from dalign.pipeline.plan import ADMIT, make_plan
from dalign.pipeline.project import Project, Source
from dalign.vocabulary import ARMS, BARE, trainings

# What is asked: to answer a prompt, to judge an answer, to do so second, to name the policy that a reasoning speaks of.
COMPLETE, JUDGE, SECOND, RETRIEVE = "complete", "judge", "second", "retrieve"
# What an answer of a golden case is taken for, in tokens; few are longer.
_OF_GOLDEN = 512


@dataclass(frozen=True)
class Work:
    """Requests of one kind that a stage makes at most.

    stage: as in `evaluate/base`. written: the most tokens of a reply. source: the prompts that they are about; sight: what
    of the policy a model has before them; answers: the most tokens of what a judge reads of an answer. is_asked: False for
    rollouts, which the trainer draws.
    """

    stage: str
    asks: str
    requests: int
    written: int
    source: Source
    sight: str = "none"
    answers: int = 0
    is_asked: bool = True


def work_of(project: Project) -> list[Work]:
    """All that is asked, in the order of the stages; kinds of which nothing is asked are left out."""
    every = (
        *_of_admission(project),
        *_of_data(project),
        *_of_distillation(project),
        *_of_rl(project),
        *_of_evaluation(project),
    )
    return [each for each in every if each.requests]


def _of_admission(project: Project) -> Iterator[Work]:
    judge = project.config.judge
    if any(stage.name == ADMIT for stage in make_plan(project.config)):
        asked, most = len(cases_of(project)) * judge.k, judge.max_new_tokens
        yield Work(ADMIT, JUDGE, asked, most, project.prompts, answers=_OF_GOLDEN)


def _of_data(project: Project) -> Iterator[Work]:
    config, source = project.config, project.prompts
    if not trainings("sft", config.evaluate.arms):
        return
    made, written = source.rows * config.generate.n, config.generate.max_new_tokens
    if project.brought is None:
        yield Work("generate/main", COMPLETE, made, written, source, "category")
    if config.select.by_shift:
        yield from _of_shifts(project)
    if config.data.examples is None:
        made = made if project.brought is None else project.brought.rows
        judgements = made * config.judge.k
        yield Work(
            "judge/main", JUDGE, judgements, config.judge.max_new_tokens, source, answers=written
        )


def _of_shifts(project: Project) -> Iterator[Work]:
    """What is asked without the policy in sight, to tell what it changes."""
    config, source = project.config, project.prompts
    made, written = source.rows * config.select.shift_n, config.generate.max_new_tokens
    judgements, most = made * config.judge.k, config.judge.max_new_tokens
    yield Work(f"generate/{BARE}", COMPLETE, made, written, source)
    yield Work(f"judge/{BARE}", JUDGE, judgements, most, source, answers=written)


def _of_distillation(project: Project) -> Iterator[Work]:
    """What the trainer draws, and before it what tells the teacher's flip rate; nobody is asked."""
    settings, source = project.config.distill, project.prompts
    by_clause, by_category = (
        sum(min(settings.flip_prompts, rows) for rows in counts.values())
        for counts in (source.clauses, source.categories)
    )
    # Those without a clause are told by their category.
    flips = by_clause + min(by_category, source.rows - sum(source.clauses.values()))
    drawn = settings.steps * settings.completions_per_step + flips
    for arm in trainings("distill", project.config.evaluate.arms):
        written = settings.max_new_tokens
        yield Work(f"distill/{arm}", COMPLETE, drawn, written, source, is_asked=False)


def _of_rl(project: Project) -> Iterator[Work]:
    config, rl, source = project.config, project.config.rl, project.rl_prompts
    drawn, written = rl.steps * rl.completions_per_step * (1 + rl.redraws), rl.max_new_tokens
    for arm in trainings("rl", config.evaluate.arms):
        stage = f"rl/{arm}"
        yield Work(stage, COMPLETE, drawn, written, source, is_asked=False)
        if rl.judge_weight:
            judgements, most = drawn * rl.judge_k, config.judge.max_new_tokens
            yield Work(stage, JUDGE, judgements, most, source, answers=written)
            if config.second_judge_model is not None:
                asked = -(-rl.steps // rl.second_every) * (drawn // rl.steps) * rl.judge_k
                yield Work(stage, SECOND, asked, most, source, answers=written)
            if rl.readmit_every:
                times = 1 + rl.steps // rl.readmit_every
                asked = times * len(cases_of(project)) * rl.judge_k
                yield Work(stage, JUDGE, asked, most, source, answers=_OF_GOLDEN)


def _of_evaluation(project: Project) -> Iterator[Work]:
    config, settings = project.config, project.config.evaluate
    written, most = settings.max_new_tokens, config.judge.max_new_tokens
    retrieves = config.model.reasoning.reasons and project.templates.has_pair("retrieval")
    for arm in settings.arms:
        stage, sight = f"evaluate/{arm}", ARMS[arm].in_sight
        for suite in settings.suites:
            source = project.suites[suite.name]
            drawn = source.rows * settings.samples
            yield Work(stage, COMPLETE, drawn, written, source, sight)
            if suite.judge:
                judgements = drawn * settings.judge_k
                yield Work(stage, JUDGE, judgements, most, source, answers=written)
            if suite.judge and retrieves and RETRIEVAL in suite.metrics:
                yield Work(stage, RETRIEVE, drawn, most, source, answers=written)


def planned_work(project: Project) -> dict[str, object]:
    """How much a whole run of the project makes, and at most asks of the model and of its judge: calls and tokens."""
    work = work_of(project)

    def count(asked: Sequence[Work], stage: str = "") -> int:
        return sum(each.requests for each in asked if each.stage.startswith(stage))

    completions = [each for each in work if each.asks == COMPLETE]
    judgements = [each for each in work if each.asks != COMPLETE]
    of_others = project.brought is not None and trainings("sft", project.config.evaluate.arms)
    brought = project.brought.rows if of_others and project.brought else 0
    bare = count(completions, f"generate/{BARE}")
    return {
        "prompts": project.prompts.rows,
        "completions": brought or count(completions, "generate/main"),
        **({"completions_without_policy": bare} if bare else {}),
        "rl_completions": count(completions, "rl"),
        **(
            {"distill_completions": distilled}
            if (distilled := count(completions, "distill"))
            else {}
        ),
        "evaluated_completions": count(completions, "evaluate"),
        "completion_tokens_at_most": sum(each.requests * each.written for each in completions),
        "judgements_at_most": count(judgements),
        "of_these_by_stage": [
            f"{name} {count(judgements, name)}"
            for name in ("admit", "judge", "rl", "evaluate")
            if name != "admit" or count(judgements, name)
        ],
        "judgement_tokens_at_most": count(judgements) * project.config.judge.max_new_tokens,
        "categories": list(project.spec.names),
    }
