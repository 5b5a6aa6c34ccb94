"""What every stage of a run needs: config, policy, prompts, templates, engines; each read once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dalign.config import Config, Model
from dalign.data.capability import CapabilityRow, read_capability
from dalign.data.patterns import Patterns, read_patterns
from dalign.data.prompts import read_prompts
from dalign.errors import InputError
from dalign.files.tokenizer import open_tokenizer
from dalign.filter.quality import TOKEN_MEASURES, Measuring, Quality, chosen_limits
from dalign.judge.verdicts import Court, Scale
from dalign.models.checkpoint import check_checkpoint, fingerprint
from dalign.models.open_engine import open_engine
from dalign.models.probe import TemplateProbe, probe_template
from dalign.models.protocol import Engine
from dalign.progress import Progress, Silent
from dalign.rows import Prompt
from dalign.settings import check_paths, load_config
from dalign.spec.hashes import shown_hashes
from dalign.spec.parse import load_spec
from dalign.spec.templates import Budget, Templates, load_templates
from dalign.spec.token_count import token_count
from dalign.spec.types import Spec
from dalign.store import StageFolder, file_digest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MAIN = "main"
CONFIG = "config.toml"


@dataclass
class RunContext:
    """One run. `checkpoints` maps names that a config may use as a model's path to folders ('sandbox')."""

    config: Config
    run: Path
    checkpoints: Mapping[str, Path] = field(default_factory=dict)
    progress: Progress = field(default_factory=Silent)

    def folder(self, stage: str, variant: str = MAIN) -> StageFolder:
        """The folder of a stage's variant."""
        return StageFolder(self.run, stage, variant)

    @cached_property
    def spec(self) -> Spec:
        """The compiled policy."""
        return load_spec(self.config.spec.path)

    @cached_property
    def templates(self) -> Templates:
        """The prompt templates, which fit the policy to its budget."""
        return load_templates(self.config.spec.path, self._budget())

    def _budget(self) -> Budget | None:
        most = self.config.spec.max_tokens
        if most is None:
            return None
        models = dict.fromkeys((self.config.model, self.config.judge_of_record))
        counts = [token_count(self._tokenizer_file(model)) for model in models]
        notes = sorted({count.note for count in counts})
        return Budget(most, lambda text: max(count(text) for count in counts), "; ".join(notes))

    def _tokenizer_file(self, model: Model) -> Path | None:
        """The folder of a model's tokenizer; None for one that runs elsewhere and names no checkpoint."""
        return self.checkpoint_of(model) if model.engine == "transformers" else model.checkpoint

    @cached_property
    def prompts(self) -> list[Prompt]:
        """The prompts that completions are generated for."""
        return read_prompts(self.config.data.prompts, self.spec)

    @cached_property
    def rl_prompts(self) -> list[Prompt]:
        """The prompts of RL: their own file's, or the same ones."""
        path = self.config.data.rl_prompts
        return self.prompts if path is None else read_prompts(path, self.spec)

    @cached_property
    def capability(self) -> list[CapabilityRow]:
        """The capability rows; none where the config names no file."""
        path = self.config.data.capability
        return [] if path is None else read_capability(path)

    @cached_property
    def suites(self) -> dict[str, list[Prompt]]:
        """The prompts of each evaluation suite."""
        return {
            suite.name: read_prompts(suite.path, self.spec) for suite in self.config.evaluate.suites
        }

    @cached_property
    def patterns(self) -> dict[str, Patterns]:
        """The patterns of each suite that has some."""
        return {
            s.name: read_patterns(s.patterns)
            for s in self.config.evaluate.suites
            if s.patterns is not None
        }

    @cached_property
    def quality(self) -> Quality:
        """What completions are held to. Raises InputError for a limit that there is not."""
        wanted = self.config.filter
        limits = chosen_limits(wanted.limits, "filter.limits:", usual=wanted.quality)
        counted = next((name for name in TOKEN_MEASURES if name in limits), None)
        folder = self._tokenizer_file(self.config.model) if counted else None
        if counted and folder is None:
            raise InputError(
                f"filter.limits: {counted} needs the tokenizer of '{self.config.model.path}', which runs elsewhere; "
                "set model.checkpoint to its folder, or limit words"
            )
        tokenizer = None if folder is None else open_tokenizer(folder)
        measuring = Measuring(scripts=wanted.scripts, phrases=wanted.phrases)
        try:
            return Quality(measuring, limits, tokenizer)
        except InputError as error:
            raise InputError(f"filter: {error}") from error

    def check(self) -> None:
        """Reads and checks all input, before any model loads. Raises InputError."""
        check_paths(self.config)
        for model in (self.config.model, self.config.judge_of_record):
            if model.engine == "transformers":
                check_checkpoint(self.checkpoint_of(model))
        for read in (
            "spec",
            "templates",
            "prompts",
            "rl_prompts",
            "capability",
            "suites",
            "patterns",
            "quality",
        ):
            getattr(self, read)
        self._tell_left_out()
        names = [suite.name for suite in self.config.evaluate.suites]
        if not names:
            raise InputError(
                "evaluate.suites names no suite, so nothing could be shown of the arms; add one: [[evaluate.suites]] with name and path"
            )
        for name in names:
            if names.count(name) > 1:
                raise InputError(
                    f"evaluate.suites: two suites are named '{name}'; give each a name of its own"
                )

    def _tell_left_out(self) -> None:
        """Says which examples the budget keeps out of prompts."""
        budget = self.templates.budget
        for name in self.spec.names if budget is not None else ():
            left_out = self.templates.fitted(self.spec, name).left_out
            if left_out:
                self.progress.say(
                    f"spec({name}) leaves out {sum(left_out.values())} examples to fit spec.max_tokens = {self.config.spec.max_tokens}, "
                    f"of {', '.join(left_out)}"
                )

    def checkpoint_of(self, model: Model) -> Path:
        """The folder that holds this model's weights and tokenizer. Raises InputError if it has none here."""
        if model.engine != "transformers":
            if model.checkpoint is None:
                raise InputError(
                    f"model '{model.path}' runs elsewhere, and its checkpoint is not named; "
                    "set model.checkpoint to its folder to train it or to evaluate what was trained"
                )
            return model.checkpoint
        return self.checkpoints.get(model.path, Path(model.path))

    def model_fingerprint(self, model: Model) -> str:
        """A hash of what determines this model's replies."""
        if model.engine == "openai":
            return f"served:{model.path}"
        if model.engine == "scripted":
            return file_digest(Path(model.path))
        return fingerprint(self.checkpoint_of(model))

    def engine(self, model: Model) -> Engine:
        """The engine of a model of the config; opened once."""
        resolved = model.model_copy(
            update={"path": str(self.checkpoints.get(model.path, Path(model.path)))}
        )
        return self._open(model if model.engine == "openai" else resolved)

    def trained_engine(self, checkpoint: Path) -> Engine:
        """The engine of a checkpoint that this run trained."""
        update = {"path": str(checkpoint), "engine": "transformers"}
        return self._open(self.config.model.model_copy(update=update))

    def _open(self, model: Model) -> Engine:
        key = model.model_dump_json()
        if key not in self._engines:
            self._engines[key] = open_engine(
                model, threads=self.config.run.threads, sandbox_path=None
            )
        return self._engines[key]

    @cached_property
    def _engines(self) -> dict[str, Engine]:
        return {}

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The trained model's tokenizer."""
        from dalign.models.checkpoint import load_tokenizer

        return load_tokenizer(
            self.checkpoint_of(self.config.model), self.config.model.trust_remote_code
        )

    @cached_property
    def probe(self) -> TemplateProbe:
        """What the trained model's chat template does by itself."""
        return probe_template(self.tokenizer, self.config.model.reasoning)

    @property
    def end_text(self) -> str:
        """What ends an assistant's turn: the template's own token, else the tokenizer's."""
        ends = self.probe.end_token_ids or (self.tokenizer.eos_token_id,)
        return str(self.tokenizer.decode(list(ends)))

    def opened(self, *, by_the_engine: bool) -> bool:
        """Whether a completion's text lacks the tag that opens the reasoning, because the chat template wrote it.

        by_the_engine: the text comes from the config's engine, and not from a checkpoint that this run trained;
        a server gives reasoning and answer apart, so that its texts have both tags.
        """
        if self.config.model.reasoning.kind == "none":
            return False
        if by_the_engine and self.config.model.engine != "transformers":
            return False
        return self.probe.opens_reasoning

    def court(self) -> Court:
        """The judge, ready to be asked."""
        model = self.config.judge_of_record
        return Court(self.engine(model), self.spec, self.templates, self.config.run.seed)

    def scale(self, k: int | None = None) -> Scale:
        """How verdicts are reduced; `k` judgements instead of judge.k."""
        judge = self.config.judge
        if k is None:
            return Scale(
                judge.k, judge.needed, judge.low, judge.high, judge.aggregate, judge.quantile
            )
        return Scale(
            k, min(k, judge.min_valid or k), judge.low, judge.high, judge.aggregate, judge.quantile
        )

    def shown_to(self, prompts: Iterable[Prompt]) -> dict[str, str]:
        """The hash of spec(category) for each category that these prompts have: all that a model sees of the policy."""
        shown = shown_hashes(self.spec)
        return {name: shown[name] for name in sorted({prompt.category for prompt in prompts})}

    def judge_inputs(self, prompts: Iterable[Prompt]) -> dict[str, object]:
        """What determines the verdicts on answers to these prompts, apart from the questions."""
        model = self.config.judge_of_record
        return {
            "model": self.model_fingerprint(model),
            "dtype": model.dtype,
            "settings": self.config.judge.model_dump(),
            "shown": self.shown_to(prompts),
            "templates": self.templates.sha256,
            "seed": self.config.run.seed,
        }

    def file_sha256(self, path: Path | None) -> str | None:
        """The hash of an input file."""
        return None if path is None else file_digest(path)


def open_run(run: Path, checkpoints: Mapping[str, Path] | None = None) -> RunContext:
    """A run that has been started, by the config in its folder. Raises InputError if there is none."""
    if not (run / CONFIG).is_file():
        raise InputError(f"{run}: no run has been started here; name a run's folder")
    return RunContext(load_config(run / CONFIG, []), run, checkpoints or {})
