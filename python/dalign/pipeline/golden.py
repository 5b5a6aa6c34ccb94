"""The policy's golden cases, as the stages that put them to a judge take them."""

from __future__ import annotations

from itertools import groupby, islice
from operator import attrgetter

from dalign.errors import InputError
from dalign.pipeline.project import Project
from dalign.spec.golden import FOLDER, GoldenCase, load_golden

_category = attrgetter("category")


def cases_of(project: Project) -> list[GoldenCase]:
    """The policy's golden cases; in a trial, so many of each category."""
    cases, limit = load_golden(project.spec), project.config.data.limit
    if limit is None:
        return cases
    by_category = groupby(sorted(cases, key=_category), _category)
    return [case for _, group in by_category for case in islice(group, limit)]


def golden_of(project: Project) -> list[GoldenCase]:
    """The same, for a judge that is to be admitted. Raises InputError where there is none, and nothing is forced."""
    judge = project.config.judge
    way_out = "leave judge.admission out, or go on with --force"
    goes_on = judge.forced or project.config.data.limit is not None
    return (
        cases_of(project)
        if goes_on
        else _some(project, f"judge.admission = {judge.admission:g}", way_out)
    )


def golden_of_training(project: Project) -> list[GoldenCase]:
    """The same, for a judge that is asked again while it rewards; none where it is not. Raises InputError where there is none to ask about."""
    every = project.config.rl.readmit_every
    if not every:
        return []
    return _some(project, f"rl.readmit_every = {every}", "leave rl.readmit_every out")


def _some(project: Project, setting: str, way_out: str) -> list[GoldenCase]:
    cases = cases_of(project)
    if not cases:
        said = f"{project.spec.folder}: {setting} needs golden cases, and the policy has none; write some ({FOLDER}/*.jsonl, see specs/README.md), {way_out}"
        raise InputError(said, kind="not_admitted", path=project.spec.folder)
    return cases
