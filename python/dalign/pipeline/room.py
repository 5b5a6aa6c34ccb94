"""What a model in this process can hold: prompts that are too long for it are found before anything is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from dalign.config import CHECKPOINT_ENGINES, Config, Model
from dalign.errors import InputError
from dalign.judge.court import Court
from dalign.judge.forms.score import Question, ScoreForm
from dalign.models.checkpoint import ids_of, positions_of
from dalign.models.render import Renderer
from dalign.pipeline.engines import Engines
from dalign.pipeline.places import placed
from dalign.pipeline.project import Project, Source
from dalign.rows import Message, own_words, turns

# Of a part's prompts, how many of the longest are counted in tokens; for a judge, of each category.
_LONGEST = 8
# More than a template writes around a turn, in tokens.
_A_TURN = 64
_NOTHING = (Message(role="user", content="-"),)


class Room(NamedTuple):
    """A model's positions, and how many of them are for what it writes, by the setting `key`. who: whose they are."""

    who: str
    positions: int
    written: int
    key: str

    def check(self, tokenizer: object, texts: Sequence[str]) -> None:
        """Raises InputError, whose `row` is the text's place, for the longest of these prompts if it leaves too few."""
        order = sorted(range(len(texts)), key=lambda row: -len(texts[row].encode()))[:_LONGEST]
        lengths = [len(ids) for ids in ids_of(tokenizer, [texts[row] for row in order])]
        tokens, row = max(zip(lengths, order, strict=True), default=(0, 0))
        if tokens + self.written > self.positions:
            error = InputError(self._said(tokens), kind="over_long", limit=self.positions)
            error.row = row
            raise error

    def _said(self, tokens: int) -> str:
        way_out = f"shorten it or the policy, lower {self.key}, or take a model of more positions"
        return f"it has {tokens} tokens as {self.who} reads it, which with {self.key} = {self.written} exceeds its {self.positions} positions (max_position_embeddings); {way_out}"


def room_of_model(engines: Engines, config: Config, section: str) -> Room | None:
    """What the model that is trained, or its checkpoint, holds where a section's `max_new_tokens` are written; None: it does not say."""
    model = config.model
    positions = positions_of(engines.checkpoint(model), model.trust_remote_code)
    written = getattr(config, section).max_new_tokens
    key = f"{section}.max_new_tokens"
    return None if positions is None else Room("the model", positions, written, key)


class _Asked(NamedTuple):
    """Prompts that a judge reads with an answer. written: the most tokens of that answer; None: others wrote it."""

    source: Source
    path: Path
    written: int | None
    key: str


def check_judge_room(
    project: Project, engines: Engines, kinds: frozenset[str], files: Mapping[str, Path]
) -> Iterator[str]:
    """Sentences on prompts whose longest answers may be more than a judge in this process can hold; the second judge reads RL's.

    Raises InputError, which names file and line, for one that leaves it no room even with an empty answer.
    """
    config = project.config
    yield from _judge_room(project, engines, config.judge_of_record, "the judge", _asked(project, kinds, files))  # fmt: skip
    if config.second_judge_model is not None:
        of_rl = _asked(project, kinds & {"rl"}, files)
        yield from _judge_room(project, engines, config.second_judge_model, "the second judge", of_rl)  # fmt: skip


def _judge_room(
    project: Project, engines: Engines, judge: Model, who: str, uses: Iterator[_Asked]
) -> Iterator[str]:
    """The same of one judge. who: it is."""
    config, asked = project.config, list(uses)
    renderer = engines.renderer_of(judge) if judge.engine in CHECKPOINT_ENGINES and asked else None
    if renderer is None:
        return
    positions = positions_of(engines.checkpoint(judge), judge.trust_remote_code)
    if positions is None:
        return
    room = Room(who, positions, config.judge.max_new_tokens, "judge.max_new_tokens")
    scale = config.judge
    form = ScoreForm(project.spec, project.templates, low=scale.low, high=scale.high)
    court = Court(renderer.marks, config.run.seed)

    def shown(category: str, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        question = Question(category, messages, "", None)
        return court.put(form, {"": question}, 1).requests[0].messages

    for use in asked:
        tokens = _longest(use, renderer, shown, room, config.run.part_rows)
        most = tokens + room.written + (use.written or 0)
        if use.written is not None and most > positions:
            yield f"{use.path}: what {who} reads of its longest prompt has {tokens} tokens without the answer, which with {use.key} = {use.written} and {room.key} = {room.written} may exceed its {positions} positions; an answer that is longer than fits is not judged: lower one of the two, or take a judge of more positions"


def _asked(project: Project, kinds: frozenset[str], files: Mapping[str, Path]) -> Iterator[_Asked]:
    """What is judged of the project's prompts."""
    config = project.config
    if "judge" in kinds and config.data.examples is None:
        written = None if project.brought else config.generate.max_new_tokens
        yield _Asked(project.prompts, files["prompts"], written, "generate.max_new_tokens")
    if "rl" in kinds and config.rl.judge_weight:
        path = files.get("rl_prompts", files["prompts"])
        yield _Asked(project.rl_prompts, path, config.rl.max_new_tokens, "rl.max_new_tokens")
    if "evaluate" in kinds:
        written = config.evaluate.max_new_tokens
        for suite in config.evaluate.suites:
            if suite.judge:
                path, source = files[f"suites/{suite.name}"], project.suites[suite.name]
                yield _Asked(source, path, written, "evaluate.max_new_tokens")


def _longest(
    use: _Asked,
    renderer: Renderer,
    shown: Callable[[str, tuple[Message, ...]], tuple[Message, ...]],
    room: Room,
    rows: int,
) -> int:
    """The tokens of the longest that a judge reads of a file's prompts, with an empty answer; 0 where each has room for sure."""
    done, most, bare = 0, 0, dict[str, int]()

    def tokens(category: str) -> int:
        [text] = renderer.prompts([shown(category, _NOTHING)])
        return len(ids_of(renderer.tokenizer, [text])[0])

    for part in use.source.table.chunks(rows):
        for name in part["category"].unique():
            bare[name] = bare[name] if name in bare else tokens(name)
        # No text has more tokens than bytes.
        written = pl.Series([_A_TURN * len(each) for each in turns(part["messages"])])
        at_most = own_words(part["messages"]).str.len_bytes() + written
        at_most += part["category"].replace_strict(bare, return_dtype=pl.Int64)
        told = part.with_columns(bytes=at_most).with_row_index("row", offset=done)
        told = told.filter(pl.col("bytes") + room.written + (use.written or 0) > room.positions)
        by_category = told.sort("bytes", descending=True).group_by("category", maintain_order=True)
        for row, name, category, messages in _heads(by_category.head(_LONGEST)):
            try:
                text = renderer.prompts([shown(category, messages)])
                room.check(renderer.tokenizer, text)
            except InputError as error:
                raise placed(use.path, row, name, error) from error
            most = max(most, len(ids_of(renderer.tokenizer, text)[0]))
        done += part.height
    return most


def _heads(rows: pl.DataFrame) -> Iterator[tuple[int, str, str, tuple[Message, ...]]]:
    columns = rows.select("row", "id", "category").iter_rows()
    for (row, name, category), messages in zip(columns, turns(rows["messages"]), strict=True):
        yield row, name, category, messages
