"""Has the judge of a config review a policy."""

from __future__ import annotations

from dalign.config import Config
from dalign.judge.review import Review, Reviewer, forms_of, review_policy
from dalign.models.ask import Ask
from dalign.pipeline.engines import Engines
from dalign.pipeline.judging import court_of, sampling_of, scale_of
from dalign.progress import Progress
from dalign.spec.check import Checked
from dalign.spec.templates import load_templates


def review_spec(checked: Checked, config: Config, progress: Progress) -> Review:
    """What the judge of a config says of a policy, which need not be the config's own.

    Raises InputError for a template or a model that cannot be used.
    """
    engines, judge = Engines(config), config.judge_of_record
    templates = load_templates(checked.spec.folder, engines.budget())
    forms = forms_of(checked.spec, templates)
    engine = engines.open(judge)
    by = Reviewer(
        court_of(config, engines),
        scale_of(config.judge),
        sampling_of(config.judge),
        config.pass_score,
        lambda name: Ask(engine, progress=progress, name=name),
    )
    review = review_policy(checked.spec, checked.golden, templates, forms, by)
    for sentence in review.said:
        progress.say(sentence)
    return review
