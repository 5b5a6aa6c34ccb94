"""Where a stage's chunks are worked on: in this process, or on many machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from dalign.config import Config, Model, Reasoning
from dalign.errors import WorkerError
from dalign.models.ask import Ask
from dalign.models.protocol import Engine, Reply, Request, Sampling
from dalign.pipeline.engines import Engines
from dalign.pipeline.project import Project
from dalign.store.folder import Spread, StageFolder, one_by_one

# Of what a chunk counts: its replies, and their tokens.
Replies = Callable[[Mapping[str, int]], tuple[int, int]]


def spread_of(
    project: Project,
    engines: Engines,
    folder: StageFolder,
    ask: Ask | None = None,
    replies: Replies = lambda _: (0, 0),
) -> Spread[Any]:
    """As `run.executor` says. ask: hears of the replies that others had. Raises MissingExtraError without the package that it needs."""
    if project.config.run.executor == "local":
        return one_by_one
    from dalign.pipeline.on_ray import spread_on_ray

    return spread_on_ray(project.config, engines, folder, ask, replies)


def engine_here(config: Config, engines: Engines, model: Model) -> Engine:
    """The model's engine, opened; where others do the work, one that is never asked."""
    return engines.open(model) if config.run.executor == "local" else Elsewhere(engines, model)


class Elsewhere:
    """Stands for an engine that the workers of a run open, and says what they heard of theirs. Nothing is loaded."""

    control_tokens: tuple[str, ...] = ()
    opens_reasoning: bool | None = None

    def __init__(self, engines: Engines, model: Model) -> None:
        self.fingerprint = engines.fingerprint(model)
        self.reasoning: Reasoning = model.reasoning
        self.say: Callable[[str], None] = lambda _: None
        self.going: Callable[[float, int, str], None] = lambda *_: None

    def stream(
        self, requests: Sequence[Request], sampling: Sampling, done: AbstractSet[str] = frozenset()
    ) -> Iterator[list[Reply]]:
        """Raises WorkerError: the workers ask."""
        raise WorkerError("a stage asks here what its workers are to ask")
