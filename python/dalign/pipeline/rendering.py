"""What chat templates make of a run's conversations: found before anything is generated, and the day that they write."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from datetime import date
from pathlib import Path
from typing import NamedTuple

from dalign import generate
from dalign.config import CHECKPOINT_ENGINES, Config, Model, Reasoning
from dalign.errors import InputError
from dalign.models.checkpoint import is_installed, load_tokenizer, writes_date
from dalign.models.forms import Form, find_form
from dalign.models.render import Renderer
from dalign.pipeline.engines import Engines
from dalign.pipeline.places import placed
from dalign.pipeline.project import Project, Source, prompt_files
from dalign.pipeline.room import Room, check_judge_room, room_of_model
from dalign.progress import Progress
from dalign.rows import Message, turns
from dalign.vocabulary import ARMS

# Models whose chat template may write the date.
_MODELS = ("model", "judge_model", "second_judge_model")
# The roles of what a judge is asked.
_ASKED = (Message(role="system", content="Rules"), Message(role="user", content="Case"))


def with_day_of(config: Config, before: Config) -> Config:
    """The config with the days that an earlier one holds, where it says none itself."""

    def held(model: Model | None, known: Model | None) -> Model | None:
        day = known.day if known else None
        return model.model_copy(update={"day": day}) if model and not model.day else model

    days = {name: held(getattr(config, name), getattr(before, name)) for name in _MODELS}
    return config.model_copy(update=days)


def with_day(config: Config) -> Config:
    """The config with today's day for each model whose chat template writes the date, where it says none."""
    engines = Engines(config)

    def held(model: Model | None) -> Model | None:
        folder = engines.tokenizer_folder(model) if model and not model.day else None
        if model is None or folder is None or not folder.is_dir() or not writes_date(folder):
            return model
        return model.model_copy(update={"day": date.today()})

    return config.model_copy(update={name: held(getattr(config, name)) for name in _MODELS})


class _Use(NamedTuple):
    """Prompts of a file that a template renders. sight: the name of what of the policy stands before them; room: of the
    model here that writes after them, if one does and says what it holds."""

    renderer: Renderer
    source: Source
    path: Path
    sight: str
    room: Room | None = None


def form_of(checkpoint: Path) -> Form | None:
    """How a checkpoint's files show that its model reasons; None where they can't be read here, which a run says."""
    if not is_installed("transformers"):
        return None
    try:
        return find_form(load_tokenizer(checkpoint, trust_remote_code=False), Reasoning())
    except InputError:
        return None


def check_rendered(
    project: Project, engines: Engines, kinds: AbstractSet[str], progress: Progress
) -> None:
    """Renders every prompt as the stages of these kinds will, and says what the chat templates do by themselves.

    Raises InputError, which names file and line, for the first prompt that a template refuses or does not write as a
    whole or that leaves its model no room, and for a checkpoint without an end token.
    """
    config = project.config
    judged = any(suite.judge for suite in config.evaluate.suites) and "evaluate" in kinds
    judges = dict[Renderer | None, str]()
    if "rl" in kinds and config.second_judge_model is not None:
        judges[engines.renderer_of(config.second_judge_model)] = "second judge"
    if judged or kinds & {"judge", "rl"}:
        judges[engines.renderer_of(config.judge_of_record)] = "judge"
    uses = list(_uses(project, engines, kinds))
    found = judges | {use.renderer: "model" for use in uses}
    for renderer, who in found.items():
        if renderer is not None:
            _ = renderer.end_text
            for sentence in renderer.probe.warnings(renderer.day):
                progress.say(f"warning: {who}: {sentence}")
            if renderer.form.in_doubt and who == "model":
                progress.say(f"warning: {who}: reasoning is written {renderer.form.told}")
    for judge in judges:
        if judge is not None:
            judge.prompts([_ASKED])
    told = dict[Path, str]()
    for use in uses:
        sight = generate.SIGHTS[use.sight](project.spec, project.templates)
        _check(use, sight, config.run.part_rows, told)
    for path, what in told.items():
        progress.say(f"warning: {path}: {what}")
    files = {name: path for name, (path, _) in prompt_files(config).items()}
    for sentence in check_judge_room(project, engines, frozenset(kinds), files):
        progress.say(f"warning: {sentence}")


def _uses(project: Project, engines: Engines, kinds: AbstractSet[str]) -> Iterator[_Use]:
    """What is rendered here of the project's prompts."""
    config = project.config
    files = {name: path for name, (path, _) in prompt_files(config).items()}
    here = engines.renderer_of(config.model) if kinds & {"generate", "evaluate"} else None
    is_local = config.model.engine in CHECKPOINT_ENGINES
    if "generate" in kinds and here is not None:
        room = room_of_model(engines, config, "generate") if is_local else None
        for sight in ("category", *(["none"] if config.select.by_shift else [])):
            yield _Use(here, project.prompts, files["prompts"], sight, room)
    if "pack" in kinds:
        yield _Use(engines.renderer, project.prompts, files["prompts"], "none")
        if project.capability is not None and config.data.capability is not None:
            yield _Use(engines.renderer, project.capability, config.data.capability, "none")
    if "forget" in kinds and project.held_out is not None and config.data.held_out is not None:
        yield _Use(engines.renderer, project.held_out, config.data.held_out, "none")
    if "distill" in kinds:
        room = room_of_model(engines, config, "distill")
        for sight in ("none", "category"):
            yield _Use(engines.renderer, project.prompts, files["prompts"], sight, room)
    if "rl" in kinds:
        path = files.get("rl_prompts", files["prompts"])
        room = room_of_model(engines, config, "rl")
        yield _Use(engines.renderer, project.rl_prompts, path, "none", room)
    arms = [ARMS[arm] for arm in config.evaluate.arms] if "evaluate" in kinds else []
    for sight in dict.fromkeys(arm.in_sight for arm in arms):
        trained = any(arm.checkpoint for arm in arms if arm.in_sight == sight)
        renderer = engines.renderer if trained else here
        room = room_of_model(engines, config, "evaluate") if trained or is_local else None
        if renderer is not None:
            for name, suite in project.suites.items():
                yield _Use(renderer, suite, files[f"suites/{name}"], sight, room)


def _check(use: _Use, sight: generate.Sight, rows: int, told: dict[Path, str]) -> None:
    """Renders the prompts of a file. told: gets what is to be said of its control tokens."""
    done, held, first = 0, 0, ""
    for part in use.source.table.chunks(rows):
        names = part["category"] if "category" in part.columns else [""] * part.height
        own = turns(part["messages"])
        try:
            texts = use.renderer.prompts([sight(*each) for each in zip(names, own, strict=True)])
            if use.room is not None:
                use.room.check(use.renderer.tokenizer, texts)
        except InputError as error:
            row = error.row or 0
            raise placed(use.path, done + row, part["id"][row], error) from error
        for name, messages in zip(part["id"], own, strict=True):
            if use.renderer.harmless(messages) != list(messages):
                held, first = held + 1, first or name
        done += part.height
    if held:
        told[use.path] = (
            f"control tokens of the model stand in {held} of its rows (first: {first}); a zero-width space keeps them words"
        )
