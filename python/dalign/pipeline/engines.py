"""The models of a config: opened once, checked before they load, known by what determines their replies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from dalign.config import CHECKPOINT_ENGINES, LOCAL_ENGINE, Config, Model, Reasoning
from dalign.errors import InputError
from dalign.models.checkpoint import is_installed, load_tokenizer
from dalign.models.engines.cached import CachedEngine
from dalign.models.engines.metered import MeteredEngine
from dalign.models.engines.open import checkpoint_of, kind_of, opened, resolved
from dalign.models.engines.placed import PlacedEngine
from dalign.models.engines.together import TogetherEngine
from dalign.models.forms import Form
from dalign.models.protocol import Engine, Machine
from dalign.models.reasoning import opened_at_server
from dalign.models.render import Renderer
from dalign.models.spending import Meter
from dalign.models.tokenizer import Tokenizer, open_tokenizer
from dalign.pipeline.checkpoints import checkpoints
from dalign.spec.templates import Budget
from dalign.spec.token_count import token_count
from dalign.store.cache import Cache


class Engines:
    """A model's path may be one of the names of `checkpoints`."""

    def __init__(
        self,
        config: Config,
        known: Mapping[str, str] = MappingProxyType({}),
        logs: Path | None = None,
        meter: Meter | None = None,
    ) -> None:
        """known: what `known` has said earlier; then no file of these models is read to tell their fingerprints.

        logs: see `Machine`. meter: counts what is asked, a run's or a work folder's; None: that of this call alone.
        """
        self._config, self._machine = config, Machine(config.run.threads, logs=logs)
        self.meter = meter or meter_of(config)
        self._cache: Cache | None = None
        self._opened: dict[str, Engine] = {}
        self._remembering: dict[str, Engine] = {}
        self._renderers: dict[Model, Renderer] = {}
        self._models = {"model": config.model, "judge": config.judge_of_record}
        if config.second_judge_model is not None:
            self._models["second_judge"] = config.second_judge_model
        told = known.keys() & self._models.keys()
        self._fingerprints = {_resolved(self._models[name]): known[name] for name in told}

    def known(self) -> dict[str, str]:
        """The fingerprints of the models that a run's rows depend on."""
        return {name: self.fingerprint(model) for name, model in self._models.items()}

    def check(self, *models: Model) -> None:
        """Checks models before any is loaded. Raises InputError."""
        for model in models:
            kind_of(model).check(_resolved(model))

    def open(self, model: Model, *, afresh: bool = False) -> Engine:
        """The engine of a model of the config, behind the cache that the config names. afresh: each request is made, whatever that has."""
        key = model.model_dump_json()
        if key not in self._opened:
            engine = opened(self._with_form(model), checkpoints(), self._machine)
            # A server's model is known by more than the engine can tell.
            engine.fingerprint = self.fingerprint(model)
            renderer = None if kind_of(model).renders else self.renderer_of(model)
            placed = PlacedEngine(engine, renderer) if renderer else engine
            self._opened[key] = self._metered(placed, model)
        if afresh:
            return self._opened[key]
        if key not in self._remembering:
            self._remembering[key] = self._remembered(self._opened[key])
        return self._remembering[key]

    def trained(self, checkpoint: Path) -> Engine:
        """The engine of a checkpoint that the run trained, for the one stage that uses it: nothing else holds it."""
        model = self._config.model
        update: dict[str, object] = {"path": str(checkpoint)}
        # What was trained is merged: an adapter of the base's is none of its.
        update["vllm"] = model.vllm.model_copy(update={"adapter": None})
        if model.engine not in CHECKPOINT_ENGINES:
            update["engine"] = LOCAL_ENGINE
        engine = opened(model.model_copy(update=update), checkpoints(), self._machine)
        return self._remembered(self._metered(engine, model))

    def _metered(self, engine: Engine, model: Model) -> Engine:
        """The engine, what it does counted as the config's model's; asked for a prompt's completions as the config has it."""
        named = (name for name, known in self._config.models.items() if known == model)
        name = next(named, "model")
        metered = MeteredEngine(engine, self.meter, name, model.price)
        return TogetherEngine(metered) if model.samples_at_once else metered

    def _remembered(self, engine: Engine) -> Engine:
        """The engine, behind the cache that the config names."""
        folder = self._config.run.cache
        if folder is None:
            return engine
        self._cache = self._cache or Cache(folder)
        return CachedEngine(engine, self._cache)

    def close(self) -> None:
        """Ends the servers that were started, and lets go of the cache."""
        self._machine.servers.close()
        if self._cache is not None:
            self._cache.close()

    def fingerprint(self, model: Model) -> str:
        """A hash of what determines this model's replies, of its files as they were when first asked; nothing is loaded."""
        found = _resolved(model)
        if found not in self._fingerprints:
            self._fingerprints[found] = kind_of(found).fingerprint_of(found)
        return self._fingerprints[found]

    def checkpoint(self, model: Model) -> Path:
        """The folder with a model's weights and tokenizer. Raises InputError if it has none here."""
        return checkpoint_of(_resolved(model))

    def tokenizer_folder(self, model: Model) -> Path | None:
        """The folder of a model's tokenizer; None for one that runs elsewhere and names none."""
        found = _resolved(model)
        return kind_of(found).checkpoint(found)

    def budget(self) -> Budget | None:
        """What spec(category) may take, by the tokenizers of the model and of the judge."""
        most = self._config.spec.max_tokens
        if most is None:
            return None
        models = dict.fromkeys(self._config.asked.values())
        counts = [token_count(self.tokenizer_folder(m), m.trust_remote_code) for m in models]
        notes = sorted({count.note for count in counts})
        return Budget(most, lambda text: max(count(text) for count in counts), "; ".join(notes))

    @cached_property
    def renderer(self) -> Renderer:
        """The trained model's chat template."""
        model = self._config.model
        tokenizer = load_tokenizer(self.checkpoint(model), model.trust_remote_code)
        return Renderer(tokenizer, model.reasoning, model.day)

    def renderer_of(self, model: Model) -> Renderer | None:
        """The chat template of a model whose checkpoint is here; None without one, and for a server's model without torch."""
        found = _resolved(model)
        kind = kind_of(found)
        if kind.checkpoint(found) is None or not (kind.renders or is_installed("torch")):
            return None
        if model == self._config.model:
            return self.renderer
        if model not in self._renderers:
            tokenizer = load_tokenizer(self.checkpoint(model), model.trust_remote_code)
            self._renderers[model] = Renderer(tokenizer, model.reasoning, model.day)
        return self._renderers[model]

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The trained model's tokenizer."""
        model = self._config.model
        return open_tokenizer(self.checkpoint(model), model.trust_remote_code)

    @cached_property
    def reasoning(self) -> Reasoning:
        """How the model's replies hold their reasoning, as far as the config and the template of its checkpoint tell."""
        model = self._config.model
        if kind_of(model).writes_open_tag is False:
            return self.renderer.reasoning
        return self._with_form(model).reasoning

    @property
    def opens_reasoning(self) -> bool | None:
        """Whether the model's replies lack the tag that opens the reasoning, because the chat template wrote it; None: each may."""
        written = kind_of(self._config.model).writes_open_tag
        if written is None:
            return opened_at_server(self._config.model.reasoning)
        return not written and self.renderer.opens_reasoning

    @property
    def form(self) -> Form:
        """The same with the white space around it, as completions come."""
        known = self.renderer_of(self._config.model)
        form = Form(self._config.model.reasoning) if known is None else known.form
        return form if self.opens_reasoning is not False else replace(form, opened="")

    @property
    def control(self) -> tuple[str, ...] | None:
        """The model's control tokens but for its tags; None where its tokenizer is not here."""
        known = self.renderer_of(self._config.model)
        return None if known is None else known.control

    def _with_form(self, model: Model) -> Model:
        """A model that runs elsewhere with the form that the template of its checkpoint shows, where it has one here."""
        if kind_of(model).writes_open_tag is not None or not model.reasoning.reasons:
            return model
        known = self.renderer_of(model)
        return model if known is None else model.model_copy(update={"reasoning": known.reasoning})


def meter_of(config: Config) -> Meter:
    """Keeps a config's cap (run.cap) in what one call asks that is no run's."""
    cache = config.run.cache
    way_out = "nothing of it is kept; ask for less, or begin anew under a higher {key} (with run.cache, a call goes on where another ended)"
    if cache is not None:
        way_out = f"what was answered is in {cache}, and the same command under a higher {{key}} goes on from there"
    return Meter(config.run.cap, way_out=way_out)


def _resolved(model: Model) -> Model:
    return resolved(model, checkpoints())


def open_engine(model: Model, *, threads: int = 1) -> Engine:
    """The engine of a config's model, loaded. threads: what this process computes with. A server that it starts ends with the program.

    Raises InputError for a model that cannot be used and MissingExtraError without torch.
    """
    return opened(model, checkpoints(), Machine(threads))


def counting_tokenizer(engines: Engines, model: Model, measure: str) -> Tokenizer:
    """The tokenizer that `filter.limits` counts by. Raises InputError for a model whose tokenizer is not here."""
    folder = engines.tokenizer_folder(model)
    if folder is None:
        said = f"filter.limits: {measure} needs the tokenizer of '{model.path}', which runs elsewhere; set model.checkpoint to its folder, or limit words"
        raise InputError(said, kind="no_tokenizer")
    return open_tokenizer(folder, model.trust_remote_code)
