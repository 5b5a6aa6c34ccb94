"""Has the judge of a config review a policy."""

from __future__ import annotations

from dalign.config import Config
from dalign.judge.review import Review, Reviewer, review_policy
from dalign.models.ask import Ask
from dalign.pipeline.judging import opened_judge
from dalign.progress import Progress
from dalign.spec.check import Checked


def review_spec(checked: Checked, config: Config, progress: Progress) -> Review:
    """What the judge of a config says of a policy, which need not be the config's own.

    Raises InputError for a template or a model that cannot be used.
    """
    spec = checked.spec
    with opened_judge(config, spec) as (engine, judging, templates):
        by = Reviewer(
            judging, config.pass_score, lambda name: Ask(engine, progress=progress, name=name)
        )
        review = review_policy(spec, checked.golden, checked.trivial, templates, by)
    for sentence in review.said:
        progress.say(sentence)
    return review
