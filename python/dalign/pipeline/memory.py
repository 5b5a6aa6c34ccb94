"""Whether what a run holds fits on a GPU: each kind of work at its fullest, and the settings that make room."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import polars as pl

from dalign.config import LOCAL_ENGINE, Config, Distill, Model, Rl, Sft
from dalign.errors import InputError
from dalign.figures import Moment
from dalign.generate import SIGHTS, Sight
from dalign.models.checkpoint import ids_of
from dalign.models.devices import CUDA, memory_of_device
from dalign.models.render import Renderer
from dalign.models.sizes import Sizes, sizes_of
from dalign.pipeline.engines import Engines
from dalign.pipeline.project import Project, Source
from dalign.rows import turns
from dalign.train.memory import (
    Rollouts,
    Spread,
    Trained,
    distilled_moment,
    generation_moment,
    reference_moment,
    rollout_moment,
    sft_moment,
    update_moment,
)
from dalign.vocabulary import TRAININGS, trainings

GB = 1e9
# What models take that run in this process.
_LOCAL = LOCAL_ENGINE
# The kinds of stages that are looked at.
_KINDS = frozenset(("generate", *TRAININGS))
_SHORTEST = 64
# What distillation's teacher reads.
_TEACHER = "teacher"


@dataclass(frozen=True)
class Facts:
    """What the figures depend on beside the settings. prompts: tokens of the longest prompt, by kind of stage, and of the
    teacher's; others: bytes of the other models that the process has on the same device.
    """

    sizes: Sizes
    prompts: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, int] = field(default_factory=dict)


def moments_of(project: Project, engines: Engines, kinds: Collection[str]) -> list[Moment] | None:
    """What these kinds of stages hold at their fullest; None where the checkpoint's files do not tell its sizes.

    As on one GPU: where the model is not to be on one, as there in two bytes a number.
    """
    asked = _looked_at(project, kinds)
    if not asked:
        return []
    facts = _facts(project, engines, asked, kinds)
    return None if facts is None else _moments(project.config, facts, asked)


def check_memory(project: Project, engines: Engines, kinds: Collection[str]) -> Iterator[str]:
    """Sentences on what may not fit on the GPU that the model is on; without one, nothing is said.

    Raises InputError for a training that cannot fit there, however short its completions are.
    """
    config, asked = project.config, _looked_at(project, kinds)
    room = memory_of_device(config.model.device) if asked else None
    facts = None if room is None else _facts(project, engines, asked, kinds)
    if room is None or facts is None:
        return
    # What cannot fit is refused by what it holds most of.
    for moment in sorted(_moments(config, facts, asked), key=lambda each: -each.held):
        if moment.total > room:
            yield _checked(moment, config, facts, room)


def _checked(moment: Moment, config: Config, facts: Facts, room: int) -> str:
    """What is said of one that may not fit. Raises InputError for a training that cannot."""
    kind, device = moment.stage.partition(",")[0], config.model.device
    # A packed row is as long as its capacity, a completion as it comes.
    sure = moment.total if kind == "sft" else moment.held
    is_refused = kind in TRAININGS and sure > room
    needs = f"needs {_gb(sure)}" if is_refused else f"may need {_gb(moment.total)}"
    said = f"{moment.stage}: on {device}, which has {_gb(room)}, it {needs} ({_in_words(moment, all_=not is_refused or kind == 'sft')}); {_way_out(moment, config, facts, room)}"
    if is_refused:
        raise InputError(said, kind="too_large", key="model.device", value=round(sure), limit=room)
    return said


def _gb(size: float) -> str:
    return f"{size / GB:,.1f} GB" if size < 10 * GB else f"{size / GB:,.0f} GB"


def _in_words(moment: Moment, *, all_: bool) -> str:
    parts = moment.parts if all_ else moment.of_held
    return ", ".join(f"{part} {_gb(size)}" for part, size in parts.items() if size >= 0.05 * GB)


def _looked_at(project: Project, kinds: Collection[str]) -> frozenset[str]:
    """Of these kinds of stages those that the model itself takes memory in, in this process."""
    config = project.config
    writes = config.model.engine == _LOCAL and project.brought is None
    return _KINDS.intersection(kinds) - (frozenset() if writes else {"generate"})


def _facts(
    project: Project, engines: Engines, asked: Collection[str], kinds: Collection[str]
) -> Facts | None:
    config = project.config
    sizes = sizes_of(engines.checkpoint(config.model), config.model.trust_remote_code)
    if sizes is None:
        return None
    prompts, renderer = {}, engines.renderer
    if "generate" in asked:
        sight = SIGHTS["category"](project.spec, project.templates)
        prompts["generate"] = longest(project.prompts, sight, renderer)
    if "distill" in asked:
        for key, name in (("distill", "none"), (_TEACHER, "category")):
            sight = SIGHTS[name](project.spec, project.templates)
            prompts[key] = longest(project.prompts, sight, renderer)
    if "rl" in asked:
        sight = SIGHTS["none"](project.spec, project.templates)
        prompts["rl"] = longest(project.rl_prompts, sight, renderer)
    others: dict[str, int] = {kind: _others(config, engines, kind, kinds) for kind in TRAININGS}
    return Facts(sizes, prompts, others)


def longest(source: Source, sight: Sight, renderer: Renderer) -> int:
    """Tokens of the longest prompt as the model reads it: of each category's the one with the most bytes."""
    words = pl.col("messages").list.eval(pl.element().struct["content"]).list.join("\n")
    sized = source.table.scan().select("id", "category", bytes=words.str.len_bytes())
    longest_first = sized.sort("bytes", descending=True).group_by("category", maintain_order=True)
    ids = longest_first.head(1).collect()["id"]
    found = source.table.scan().filter(pl.col("id").is_in(ids.implode())).collect()
    read = [sight(*each) for each in zip(found["category"], turns(found["messages"]), strict=True)]
    texts = renderer.prompts(read)
    return max((len(ids) for ids in ids_of(renderer.tokenizer, texts)), default=0)


def _others(config: Config, engines: Engines, kind: str, kinds: Collection[str]) -> int:
    """Bytes of the other models that the process has opened on the model's device by the time that a kind of training begins."""
    opened: list[Model | None] = [config.model] if "generate" in kinds else []
    if kind == "rl" or "judge" in kinds:
        opened.append(config.judge_of_record)
    if kind == "rl":
        opened.append(config.second_judge_model)
    local = {
        model.model_dump_json(): model
        for model in opened
        if model and model.engine == _LOCAL and model.device == config.model.device
    }
    told = (
        (model, sizes_of(engines.checkpoint(model), model.trust_remote_code))
        for model in local.values()
    )
    return sum(sizes.parameters * _bytes(model) for model, sizes in told if sizes)


def _bytes(model: Model) -> int:
    """Of a number of this model on a GPU."""
    return 4 if model.device.startswith(CUDA) and model.dtype == "float32" else 2


def _moments(config: Config, facts: Facts, asked: Collection[str]) -> list[Moment]:
    sizes, found, number = facts.sizes, list[Moment](), _bytes(config.model)
    spread = Spread(config.run.devices)
    if "generate" in asked:
        n, rows = config.generate.n, config.model.batch_size
        of = Rollouts(rows, -(-rows // n), facts.prompts["generate"], config.generate.max_new_tokens)  # fmt: skip
        found.append(generation_moment("generate", sizes, number, of, 0))
    if "sft" in asked:
        others = facts.others["sft"]
        is_held = config.sft.kl_weight > 0
        trained = Trained(sizes, number, _adapters(sizes, config.sft), is_held, others, spread)
        found.append(sft_moment(trained, config.pack.capacity, is_held=is_held))
    if "distill" in asked:
        distill = config.distill
        whole = distill.completions_per_step
        of = Rollouts(whole, distill.prompts_per_step, facts.prompts["distill"], distill.max_new_tokens)  # fmt: skip
        others = facts.others["distill"]
        trained = Trained(sizes, number, _adapters(sizes, distill), True, others, spread)
        found.append(rollout_moment(trained, of, "distill"))
        rows = _rows(config, "distill")
        found.append(distilled_moment(trained, rows, of, facts.prompts[_TEACHER]))
    if "rl" in asked:
        rl = config.rl
        whole, rows = rl.completions_per_step, _rows(config, "rl")
        of = Rollouts(whole, rl.prompts_per_step, facts.prompts["rl"], rl.max_new_tokens)
        others = facts.others["rl"]
        trained = Trained(sizes, number, _adapters(sizes, rl), rl.beta > 0, others, spread)
        found.append(rollout_moment(trained, of))
        if trained.has_reference:
            found.append(reference_moment(trained, rows, of))
        # As many as there can be: a replayed row is no longer than a bin.
        replays = rl.replay > 0 and trainings("sft", config.evaluate.arms)
        replayed = rl.replay_rows * config.pack.capacity if replays else 0
        found.append(update_moment(trained, rows, of, replayed))
    return found


def _adapters(sizes: Sizes, settings: Sft | Rl | Distill) -> int:
    """Parameters of LoRA, at least 1 where the weights' heads tell of none of its layers; 0 where all weights are trained."""
    lora = settings.lora
    return max(1, sizes.adapters(lora.r, lora.target)) if settings.method == "lora" else 0


def _rows(config: Config, section: str) -> int:
    """Completions of an update that go through the model at once, on a GPU."""
    settings = config.rl if section == "rl" else config.distill
    whole = config.rl.group_size if section == "rl" else 1
    return settings.rows_per_pass or whole


# A setting's words, and the config and facts with it.
_Other = tuple[str, Config, Facts]


def _way_out(moment: Moment, config: Config, facts: Facts, room: int) -> str:
    """The settings that each make the moment fit, the mildest value of each; a smaller model where none does."""
    kind, fits = moment.stage.partition(",")[0], []
    for values in _SETTINGS[moment.stage](config, facts):
        for said, other, known in values:
            total = next(m for m in _moments(other, known, [kind]) if m.stage == moment.stage).total
            if total <= room:
                fits.append(f"{said} ({_gb(total)})")
                break
    if not fits:
        return "no setting makes it fit there: take a smaller model, or a GPU with more memory"
    return f"set {', or '.join(fits)}"


def _with(config: Config, section: str, **values: object) -> Config:
    changed = getattr(config, section).model_copy(update=values)
    return config.model_copy(update={section: changed})


def _halves(config: Config, facts: Facts, key: str, least: int, **beside: object) -> Iterator[_Other]:  # fmt: skip
    """The setting at a half, a quarter, … of what it is, not below `least`, with others of its section."""
    section, _, name = key.partition(".")
    value, too = getattr(getattr(config, section), name), "".join(f" and {section}.{n} = {v}" for n, v in beside.items())  # fmt: skip
    while (value := value // 2) >= least:
        yield f"{key} = {value}{too}", _with(config, section, **{name: value, **beside}), facts


def _for_sft(config: Config, facts: Facts) -> Sequence[Iterator[_Other]]:
    least = _SHORTEST if config.data.brought else config.generate.max_new_tokens
    ways = [_halves(config, facts, "pack.capacity", least)]
    if config.sft.method == "full":
        ways.append(iter([("sft.method = 'lora'", _with(config, "sft", method="lora"), facts)]))
    return ways


def _for_update(config: Config, facts: Facts, section: str = "rl") -> Sequence[Iterator[_Other]]:
    whole = (config.rl if section == "rl" else config.distill).completions_per_step
    each = whole // config.run.devices
    divisors = (n for n in range(_rows(config, section) - 1, 0, -1) if each % n == 0)
    fewer = (
        (f"{section}.rows_per_pass = {n}", _with(config, section, rows_per_pass=n), facts)
        for n in divisors
    )
    shorter = _halves(config, facts, f"{section}.max_new_tokens", _SHORTEST, rows_per_pass=1)
    return [fewer, shorter, *_adapter(config, facts, section)]


def _for_rollouts(config: Config, facts: Facts, section: str = "rl") -> Sequence[Iterator[_Other]]:
    devices = config.run.devices
    fewer = _halves(config, facts, f"{section}.prompts_per_step", devices)
    return [
        (way for way in fewer if getattr(way[1], section).prompts_per_step % devices == 0),
        _halves(config, facts, f"{section}.max_new_tokens", _SHORTEST),
        *_adapter(config, facts, section),
    ]


def _adapter(config: Config, facts: Facts, section: str) -> list[Iterator[_Other]]:
    if (config.rl if section == "rl" else config.distill).method == "lora":
        return []
    said = f"{section}.method = 'lora'"
    return [iter([(said, _with(config, section, method="lora"), facts)])]


def _for_generation(config: Config, facts: Facts) -> Sequence[Iterator[_Other]]:
    return [
        _halves(config, facts, "model.batch_size", 1),
        _halves(config, facts, "generate.max_new_tokens", _SHORTEST),
    ]


# What may be changed to make room, by the moment's name.
_SETTINGS: Mapping[str, Callable[[Config, Facts], Sequence[Iterator[_Other]]]] = {
    "generate": _for_generation,
    "sft": _for_sft,
    "distill, rollouts": partial(_for_rollouts, section="distill"),
    "distill, update": partial(_for_update, section="distill"),
    "rl, rollouts": _for_rollouts,
    "rl, reference": _for_update,
    "rl, update": _for_update,
}
