"""What every engine does: take chat messages, give completions; and what is known of it before it is opened."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, get_args, runtime_checkable

from dalign.config import CHECKPOINT_ENGINES, EngineName, Model, Reasoning
from dalign.errors import InputError
from dalign.models.devices import gpus
from dalign.models.servers import Servers
from dalign.rows import Finish, Message
from dalign.text import storable
from dalign.vocabulary import FORMS

_FINISHES = get_args(Finish)


class Request(NamedTuple):
    """One completion to be made. `seed` makes it repeatable: it depends on the row, not on the batch.

    others: the ids of further ones of the same conversation, to be drawn with it.
    """

    id: str
    messages: tuple[Message, ...]
    seed: int
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn. temperature 0 is greedy; top_p in (0, 1]. tells_tokens: each reply is to have its tokens, see `Drawn`."""

    temperature: float
    max_new_tokens: int
    top_p: float = 1.0
    tells_tokens: bool = False


class Drawn(NamedTuple):
    """The tokens of a reply, the end token included, as whoever drew them tells them; what it does not tell is empty.

    logprobs: of each token, the natural logarithm of its probability at temperature 1 over the whole vocabulary; at most 0.
    """

    ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()


@dataclass(frozen=True)
class Reply:
    """The completion of the request with that id. `text` excludes the end token; where nothing came (`error`), it is the reason.

    read: tokens of the prompt, by who made the reply; 0 where nobody said. others: what came with it, see `Request`.
    drawn: its tokens, where `Sampling` asked for them; neither a journal nor a cache holds them.
    Whichever engine makes it, its text can be stored: what no file can hold is U+FFFD in it.
    """

    id: str
    text: str
    finish: Finish
    tokens: int
    read: int = field(default=0, compare=False)
    others: tuple[Reply, ...] = field(default=(), compare=False)
    drawn: Drawn = field(default=Drawn(), compare=False)

    def __post_init__(self) -> None:
        # Here, so that no engine can forget it.
        if self.finish not in _FINISHES:
            said = f"request {self.id}: an engine ends it by {self.finish!r}, which is none of {', '.join(get_args(Finish))}"
            raise InputError(said, kind="unknown_choice", value=self.finish)
        if (text := storable(self.text)) is not self.text:
            object.__setattr__(self, "text", text)


# Gives the reply to each request, in order; see `models.ask.Ask`.
Asked = Callable[[Sequence[Request], Sampling], Sequence[Reply]]


class Engine(Protocol):
    """A model that completes conversations.

    fingerprint: a hash of what determines its replies: weights, tokenizer and settings.
    control_tokens: strings that the model's template gives a meaning to, beside the markers of every family that
        `_core.Markers` knows by their shape; broken up in untrusted text.
    reasoning: how its replies hold their reasoning, as far as it is known.
    opens_reasoning: whether its replies lack the tag that opens the reasoning, because the chat template wrote it;
        None: each may.
    """

    fingerprint: str

    @property
    def control_tokens(self) -> tuple[str, ...]: ...

    @property
    def reasoning(self) -> Reasoning: ...

    @property
    def opens_reasoning(self) -> bool | None: ...

    def stream(
        self, requests: Sequence[Request], sampling: Sampling, done: AbstractSet[str] = frozenset()
    ) -> Iterator[list[Reply]]:
        """Replies in lists as they finish, each request once, those in `done` left out.

        Batches are a function of `requests` alone, so that a resumed call gives the same replies as an undisturbed one.
        """
        ...


def fingerprint_of(model: Model, *known: str) -> str:
    """A hash of what determines a model's replies: what its engine knows of it, its tags, and the day that it is told."""
    kind = model.reasoning.kind
    day = () if model.day is None else (model.day.isoformat(),)
    told = " ".join([*known, "tags" if kind in FORMS else kind, *model.reasoning.tags, *day])
    return hashlib.sha256(told.encode()).hexdigest()


# How far an engine is with what it has not yielded yet: rows, of which a part may be done; tokens; who is awaited.
Going = Callable[[float, int, str], None]


def unheard(rows: float, tokens: int, awaited: str) -> None:
    """A `Going` that nobody hears."""


@runtime_checkable
class Telling(Protocol):
    """An engine with something to say while it works, such as that a server makes it wait.

    going: called every second or so, in the thread that goes through the stream.
    """

    say: Callable[[str], None]
    going: Going


@runtime_checkable
class Priced(Protocol):
    """An engine that counts what its run has cost."""

    def spent(self) -> str:
        """So much, in words; empty where nothing costs anything."""
        ...


@dataclass(frozen=True)
class Machine:
    """What an engine may take of the machine that it is opened on.

    threads: that this process computes with. servers: those that this dalign starts. logs: the folder of what they say;
        None: a temporary one.
    """

    threads: int = 1
    servers: Servers = field(default_factory=lambda: Servers(gpus()))
    logs: Path | None = None


@dataclass(frozen=True)
class EngineKind:
    """What the rest of the house must know of an engine, so that nobody asks for its name.

    writes_open_tag: its replies have both reasoning tags, whatever the chat template opens; False: they lack
        the opening tag where the template has written it into the prompt; None: nobody knows.
    fingerprint_of: a hash of what determines the model's replies, without opening it.
    open: the engine, loaded. Raises InputError
        for a model that cannot be used, MissingExtraError without the package that it needs.
    check: raises InputError for what can be seen to be wrong before anything is loaded.
    says: what whoever runs it says of the model now, None where nobody says anything; None itself where nothing but its files tells.
    renders: conversations are rendered here, by the checkpoint's chat template.
    """

    name: EngineName
    writes_open_tag: bool | None
    fingerprint_of: Callable[[Model], str]
    open: Callable[[Model, Machine], Engine]
    check: Callable[[Model], object] = lambda _: None
    says: Callable[[Model], Mapping[str, Any] | None] | None = None
    renders: bool = False

    @property
    def path_is_checkpoint(self) -> bool:
        """Whether a model's `path` is a checkpoint folder here."""
        return self.name in CHECKPOINT_ENGINES

    def checkpoint(self, model: Model) -> Path | None:
        """The folder with the model's weights and tokenizer; None where it runs elsewhere and names none."""
        return Path(model.path) if self.path_is_checkpoint else model.checkpoint
