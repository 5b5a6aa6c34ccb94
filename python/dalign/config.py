"""THE schema: every setting, its type, its range, its default and a sentence of what it does."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dalign.vocabulary import (
    ARMS,
    FORMS,
    METRICS,
    OF_PRODUCT,
    OF_REASONING,
    OWN,
    SUB_SCORES,
    THINK_TAGS,
    ArmName,
    FormName,
    MetricName,
)

# What the core, numpy and torch hold in 32 bits.
MOST = 2**31 - 1
Positive = Annotated[int, Field(ge=1, le=MOST)]
Natural = Annotated[int, Field(ge=0, le=MOST)]
Repeats = Annotated[int, Field(ge=1, le=10_000)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


# Of a device and a dtype: what the machine has.
AUTO: Literal["auto"] = "auto"
EngineName = Literal["transformers", "openai", "scripted"]
# Those whose `path` is a checkpoint folder; models/engines/ has what else is known of each.
CHECKPOINT_ENGINES: tuple[EngineName, ...] = ("transformers",)


def _rule(broken: Callable[[Any], str | None]) -> Any:
    """A rule that ties settings of a section together. broken: a sentence that starts with the key of one; None: kept."""

    def check(section: Any) -> Any:
        if (said := broken(section)) is not None:
            raise ValueError(said)
        return section

    return model_validator(mode="after")(check)


class Section(BaseModel):
    """A section of the config: unknown keys are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    @_rule
    def _lists_have_each_once(self) -> str | None:
        for key, value in self:
            names = [getattr(e, "name", e) for e in value] if isinstance(value, tuple) else []
            for index, name in enumerate(names):
                if name in names[:index]:
                    where = f"{key}.{index}" if name is value[index] else f"{key}.{index}.name"
                    return f"{where} = {name!r}: is the name of another one too; change it"
        return None


class Run(Section):
    """The run as a whole."""

    seed: int = Field(0, ge=0, le=2**32 - 1)
    """Every random draw of the run comes from this seed."""
    threads: Repeats = 1
    """Threads of each worker; part of what makes a run repeatable."""
    workers: Repeats = 1
    """Stages that do not wait for each other run side by side in this many processes."""
    part_rows: Positive = 4096
    """Rows that a stage reads, asks for and writes at a time; what a run holds in memory grows with it."""


class Reasoning(Section):
    """How a model's completion holds its reasoning."""

    kind: Literal["auto", "tags", "none"] | FormName = "auto"
    """'auto': as the chat template shows it; a name: that form; 'tags': between open and close; 'none': the whole reply is the answer."""
    open: str = Field(THINK_TAGS[0], min_length=1)
    """The tag that opens the reasoning (kind 'tags', which is meant where a tag is given without a kind): any text, for a form without a name."""
    close: str = Field(THINK_TAGS[1], min_length=1)
    """The tag that closes the reasoning."""
    prefilled: Literal["auto", "yes", "no"] = "auto"
    """Whether replies lack the opening tag, as the prompt ends with it; 'auto': as the chat template shows it, and with a server as each reply does."""

    @model_validator(mode="before")
    @classmethod
    def _tags_without_a_kind(cls, values: Any) -> Any:
        is_tags = (
            isinstance(values, dict) and "kind" not in values and values.keys() & {"open", "close"}
        )
        return {"kind": "tags"} | values if is_tags else values

    @property
    def reasons(self) -> bool:
        """Whether the model reasons at all."""
        return self.kind != "none"

    @property
    def tags(self) -> tuple[str, str]:
        """What opens the reasoning and what closes it, as far as the config alone says it."""
        return FORMS.get(self.kind, (self.open, self.close))

    @property
    def identity(self) -> dict[str, str]:
        """What replies are read by, for hashes: what is as ever changes none."""
        known = {"kind": self.kind, "open": self.open, "close": self.close}
        return known if self.prefilled == "auto" else known | {"prefilled": self.prefilled}

    @_rule
    def _tags_differ(self) -> str | None:
        said = f"close = {self.close!r} opens the reasoning too; give two tags"
        return said if self.open == self.close else None


class Model(Section):
    """The model that is trained, or the one that judges."""

    path: str
    """A checkpoint folder; 'sandbox' is the one that dalign ships. With engine 'openai', the model's name."""
    engine: EngineName = "transformers"
    """What runs it: this process, or an OpenAI-compatible server."""
    base_url: str | None = None
    """The server's address, such as http://127.0.0.1:8000/v1 (engine 'openai')."""
    api_key_env: str = "OPENAI_API_KEY"
    """The environment variable that holds the server's key, if it wants one."""
    checkpoint: Path | None = None
    """The checkpoint folder of what a server serves; needed to train it (engine 'openai')."""
    device: str = AUTO
    """cpu, cuda, cuda:1, …; 'auto': a GPU if there is one, else the CPU. A run keeps what it was started with."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = AUTO
    """The weights' type when loaded; 'auto': bfloat16 on a GPU that has it, else float32."""
    batch_size: Positive = 128
    """Completions generated side by side; with a server, requests in flight."""
    timeout_s: float = Field(300.0, gt=0)
    """A server's request is given up after this many seconds."""
    retry_s: float = Field(600.0, ge=0)
    """A server that has answered, and then answers nobody any more, is waited for this many seconds, as while it is started again; one that has not is given up after a few tries."""
    request: dict[str, Any] = Field({})
    """What a server's requests say beside what dalign says, such as {top_k=20} or {chat_template_kwargs={enable_thinking=false}}."""
    leave_out: tuple[str, ...] = ()
    """Parameters that the server is not sent: of model, temperature, top_p, max_tokens and seed. top_p = 1 is sent to none."""
    rename: dict[str, str] = Field({})
    """Parameters that the server takes by another name, such as {max_tokens="max_completion_tokens"}."""
    headers: dict[str, str] = Field({})
    """Headers of a server's requests, each with the environment variable that holds its value, such as {api-key="AZURE_KEY"}."""
    query: dict[str, str | int] = Field({})
    """What follows the ? in the addresses asked of a server, such as {api-version="2024-10-21"}; no place for a key."""
    trust_remote_code: bool = False
    """Whether code that comes with the checkpoint may run."""
    day: date | None = None
    """The day that a chat template writes which writes the date, such as 2026-11-29; the run's first one unless set. A time of day is 00:00."""
    reasoning: Reasoning = Field(default_factory=Reasoning)

    @_rule
    def _server_is_told_without_secrets(self) -> str | None:
        if self.engine == "openai" and not self.base_url:
            return "base_url is missing: engine 'openai' needs the server's address, such as http://127.0.0.1:8000/v1"
        # Neither says the value: it may be a key, or hold a password.
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.api_key_env):
            return "api_key_env is no name of an environment variable; write the name, such as OPENAI_API_KEY, and put the key into that variable"
        wrong = self.base_url and _no_address(self.base_url)
        said = f"base_url {wrong}; write the address alone, such as http://127.0.0.1:8000/v1, and put a key in the environment variable that api_key_env names"
        return said if wrong else None

    @_rule
    def _what_is_sent_is_told_once(self) -> str | None:
        given = {key for key in _OF_SERVERS if getattr(self, key)}
        if given and self.engine != "openai":
            return f"{min(given)} is for engine 'openai'; with another one nothing is sent"
        return _wrong_parameters(self) or _wrong_headers(self)

    def __hash__(self) -> int:
        """By all of it: a table of settings has no hash of its own."""
        return hash(self.model_dump_json())


PARAMETERS = ("model", "temperature", "top_p", "max_tokens", "seed")
_OF_SERVERS = ("request", "leave_out", "rename", "headers", "query")
# dalign's own, in each request.
_RESERVED = frozenset(PARAMETERS) - {"top_p"} | {"messages", "n", "stream"}
_NAMES_A_SECRET = re.compile(
    r"(?i)(api[-_]?)?key|((access|auth|api|bearer)[-_]?)?token|secret|password|sig|signature|authorization"
)


def _wrong_parameters(model: Model) -> str | None:
    """What keeps the parameters from being sent as told."""
    for key, names in (("leave_out", model.leave_out), ("rename", model.rename)):
        for name in names:
            if name not in PARAMETERS:
                return f"{key} names {name!r}, which is none of {', '.join(PARAMETERS)}"
    if both := sorted(set(model.leave_out) & model.rename.keys()):
        return f"rename names {both[0]!r}, which leave_out leaves out; take one"
    taken = [*model.request, *(set(PARAMETERS) - model.rename.keys()), "messages"]
    for name, other in model.rename.items():
        if not other or other in taken:
            return f"rename gives {name!r} the name {other!r}, which is empty or another one's; give it one of its own"
        taken.append(other)
    for name in model.request:
        if name in _RESERVED:
            return f"request.{name} is dalign's own: set what the stage draws (generate.temperature, …), or leave_out and rename"
        if _NAMES_A_SECRET.fullmatch(name):
            return f"request.{name} would be stored with the run; give a secret by headers, as the name of an environment variable"
    return None


def _wrong_headers(model: Model) -> str | None:
    """What keeps headers or query from being sent; no value of theirs is said."""
    for name, variable in model.headers.items():
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
            return "headers has a name that is none of a header; write letters, digits and hyphens"
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
            return f"headers gives {name!r} no name of an environment variable; write the name, and put the header's value into that variable"
        if name.lower() in ("host", "content-length", "content-type", "transfer-encoding"):
            return f"headers names {name!r}, which belongs to the request's form; leave it out"
    for name in model.query:
        if _NAMES_A_SECRET.fullmatch(name):
            return f"query has {name!r}, which would be stored with the run; give a secret by headers, as the name of an environment variable"
    return None


def _no_address(url: str) -> str:
    """What keeps a text from being a server's address, without a word of it; empty where nothing does."""
    if any(not "!" <= c <= "~" for c in url):
        return "holds white space, or characters that are not ASCII's"
    try:
        parts = urlsplit(url)
        # The port is read, and refused, where it is asked for.
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        # As a resolver has it: no label is empty, or longer than 63 characters.
        (parts.hostname or "").encode("idna")
    except ValueError:
        is_whole = False
    if "@" in url:
        return "holds a user name or a password"
    if not is_whole:
        return "is no address of the form http://host:port/path"
    return "holds a query or a fragment" if "?" in url or "#" in url else ""


class SpecFolder(Section):
    """The policy."""

    path: Path
    """A policy folder: principles.md, one Markdown file a category, and templates/ if the default ones do not suit."""
    max_tokens: Positive | None = None
    """Tokens that spec(category) may take in a prompt, by the tokenizers of the model and of the judge. Where it has more, examples are left out, and the run says which; rules never are."""
    place: Literal["system", "user"] = "system"
    """Where the model has it while completions are made: in its system prompt, or, for a model whose makers want none, in one user turn with the conversation."""


class Data(Section):
    """What the user brings."""

    prompts: Path
    """JSONL: one prompt a line, with its category."""
    capability: Path | None = None
    """JSONL: conversations that end on the assistant's turn, mixed into training so that abilities are kept."""
    rl_prompts: Path | None = None
    """JSONL: prompts for RL; without it, those of data.prompts."""
    completions: Path | None = None
    """JSONL: completions of data.prompts that were made elsewhere, in place of generated ones: `prompt_id`, `prompt` or `messages`, and `completion`, or `reasoning` and `answer`."""
    examples: Path | None = None
    """JSONL: examples in the same form: they are filtered, and what passes becomes an example that nobody judged."""
    limit: Positive | None = None
    """A trial on so many rows of each file, evenly of its categories: RL goes through its prompts once, and quotas only warn."""

    @_rule
    def _are_brought_once(self) -> str | None:
        said = "completions and data.examples are both set; give completions to be judged, or examples that are not"
        return said if self.completions and self.examples else None

    @property
    def brought(self) -> Path | None:
        """The file of completions that were made elsewhere, if any."""
        return self.completions or self.examples


class Generate(Section):
    """Completions with the policy in sight."""

    n: Repeats = 2
    """Completions a prompt."""
    temperature: float = Field(1.0, ge=0.0)
    """0 is greedy."""
    top_p: float = Field(1.0, gt=0.0, le=1.0)
    max_new_tokens: Positive = 1024
    """A completion that is not finished by then is dropped as truncated."""


class Filter(Section):
    """Which completions are judged, beside the form that all need."""

    quality: bool = False
    """The usual limits too: no loops, broken ends, stray scripts or answers that repeat their reasoning."""
    limits: tuple[str, ...] = ("reasoning_dangling=:0", "answer_dangling=:0")
    """MEASURE=LEAST:MOST, as `dalign data filter --limit` takes them; unless set, no reference to a policy that the trained model will not see, but where the prompt speaks of one."""
    scripts: tuple[str, ...] = ()
    """Scripts that every completion may use beside its prompt's, such as Latin."""
    phrases: tuple[str, ...] = ()
    """Further references to what will not be there, such as 'as the handbook says'."""


# A name that the core can find in a reply.
SubScore = Annotated[str, Field(pattern=r"^[A-Za-z]([A-Za-z0-9_ -]*[A-Za-z0-9])?$")]
# Columns of verdicts and scores.
_TAKEN = frozenset({
    "id", "completion_id", "category", "sample", "state", "score", "stance", "reply", "finish", "hidden",
    "n_valid", "rating", "overall", "final", "clause_ids", "clause_verdicts",
})  # fmt: skip


class Judge(Section):
    """k judgements of each completion, made one score by judge.aggregate."""

    k: Repeats = 4
    """Judgements a completion."""
    min_valid: Positive | None = None
    """Fewer valid judgements than this: the completion is unjudged (k unless set)."""
    aggregate: Literal["min", "mean", "median", "quantile", "trimmed_mean", "lower_bound"] = "min"
    """How the k scores become one."""
    quantile: float = Field(0.25, ge=0.0, le=1.0)
    """For aggregate = 'quantile'."""
    trim: float = Field(0.25, ge=0.0, lt=0.5)
    """For aggregate = 'trimmed_mean': the share of the scores cut at each end."""
    level: float = Field(0.95, gt=0.0, lt=1.0)
    """For aggregate = 'lower_bound': of the one-sided bound on the mean, by Student's t."""
    low: float = 0.0
    """The lowest score of the judge's scale."""
    high: float = 10.0
    """The highest score of the judge's scale."""
    temperature: float = Field(0.5, ge=0.0)
    max_new_tokens: Positive = 4096
    """A judgement that is not finished by then gives no score; most of it is the judge's reasoning."""
    sub_scores: tuple[SubScore, ...] | None = None
    """Sub-scores that the judge is asked for: each is kept beside its score, and so are verdicts on single clauses. Unless set, compliance, correctness, helpfulness and, where it is in sight, reasoning, if the judge's template takes {{ sub_scores }}."""
    reduce: str = OWN
    """What a judgement's score is: 'score', the judge's own; 'min' or 'mean' of the sub-scores; 'product', compliance times helpfulness as shares of the scale; or the sub-score of that name."""
    hint: bool = False
    """Tell the judge of the prompt's expected ruling, as what 'another AI determined'."""

    @_rule
    def _ranges(self) -> str | None:
        if self.needed > self.k:
            return f"min_valid = {self.min_valid} is more than k = {self.k}; at most k judgements can be valid"
        return None if self.high > self.low else f"high = {self.high} is not above low = {self.low}"

    @_rule
    def _sub_scores_can_be_reduced(self) -> str | None:
        names = SUB_SCORES if self.sub_scores is None else self.sub_scores
        taken = [name for name in names if name.lower().replace(" ", "_") in _TAKEN]
        if taken:
            return f"sub_scores names {taken[0]!r}, which is a column of every verdict; give it another name"
        if self.reduce == OF_REASONING:
            return f"reduce = {OF_REASONING!r}: where answers alone are judged, the reasoning has no score; take another one"
        all_alike = self.reduce in (OWN, "min", "mean")
        wanted: tuple[str, ...] = () if all_alike else (self.reduce,)
        if self.reduce == "product":
            wanted = OF_PRODUCT
        lacking = [name for name in wanted if name not in names]
        if lacking or (self.reduce != OWN and not names):
            known = ", ".join(map(repr, names)) or "no name"
            return f"reduce = {self.reduce!r} needs {lacking[0] if lacking else 'a name'} in sub_scores, which has {known}; take 'score', 'min', 'mean', 'product' or a sub-score's name"
        return None

    @property
    def identity(self) -> dict[str, Any]:
        """What verdicts depend on, for hashes: what is as ever changes none."""
        known = self.model_dump(exclude={"reduce"} if self.reduce == OWN else None)
        return known | {"sub_scores": self.sub_scores or ()}

    @property
    def needed(self) -> int:
        """How many valid judgements a completion needs."""
        return self.k if self.min_valid is None else self.min_valid

    @property
    def parameter(self) -> float | None:
        """What the aggregate needs beside the scores: its quantile, trim or level."""
        known = {"quantile": self.quantile, "trimmed_mean": self.trim, "lower_bound": self.level}
        return known.get(self.aggregate)


class Select(Section):
    """Which completions become training examples."""

    threshold: float = 7.0
    """Completions with at least this aggregated score are kept."""
    near: float | None = Field(None, gt=0, le=1)
    """Of examples whose sets of five words in a row have at least this Jaccard similarity, the best judged is kept. Unset: of equal ones alone."""
    per_prompt: Positive = 1
    """At most this many examples of one prompt, the best first."""
    max_examples: Positive | None = None
    """At most this many examples in all, drawn evenly over the categories."""
    quota: Natural = 1
    """Each category of the prompts needs this many examples."""
    clause_quota: Natural = 0
    """Each clause that prompts name as expected.clause needs this many examples."""
    on_short: Literal["error", "warn"] = "error"
    """What a category or clause below its quota does to the run."""
    unjudged: Literal["drop", "error"] = "drop"
    """What an unjudged completion does to the run."""


class Pack(Section):
    """Examples to training rows."""

    capacity: Positive = 2048
    """Tokens a packed row holds."""
    over_long: Literal["error", "drop", "mask"] = "error"
    """What an example longer than the capacity does: stop the run, be left out, or stay, cut and without loss on any token. No row is cut to train on a part."""


class Lora(Section):
    """LoRA (peft)."""

    r: Positive = 16
    alpha: float = Field(32.0, gt=0)
    dropout: Share = 0.0
    target: str = "all-linear"
    """'all-linear', or module names separated by commas."""


def _rate_of(sft: dict[str, Any]) -> float:
    """What LoRA learns with is about ten times what all weights do."""
    return 1e-4 if sft.get("method") == "lora" else 1e-5


class Sft(Section):
    """Supervised fine-tuning on the examples, the policy taken out."""

    method: Literal["full", "lora"] = "full"
    epochs: float = Field(3.0, gt=0)
    max_steps: int = Field(-1, ge=-1, le=MOST)
    """Ends training after this many steps; -1: the epochs decide."""
    learning_rate: float = Field(default_factory=_rate_of, gt=0)
    """The highest rate; unless set 1e-5, and 1e-4 with LoRA."""
    warmup_steps: Natural = 10
    """Steps up to that rate; at most a tenth of all."""
    rows_per_step: Positive = 8
    """Packed rows an optimiser step."""
    capability_ratio: float = Field(0.5, ge=0.0)
    """Capability rows for each safety example."""
    max_grad_norm: float = Field(1.0, gt=0)
    save_steps: Positive = 50
    """A killed run loses at most this many steps."""
    lora: Lora = Field(default_factory=Lora)


class Balance(Section):
    """Shares of the prompts of an RL step: weights, in any unit."""

    disallowed: float = Field(0.4, ge=0)
    """Prompts whose expected ruling is not 'comply'."""
    permitted: float = Field(0.25, ge=0)
    """Prompts that a clause permits."""
    ungoverned: float = Field(0.2, ge=0)
    """Prompts of a governed category that no clause governs."""
    general: float = Field(0.15, ge=0)
    """Prompts of the category 'general'."""

    @_rule
    def _has_weight(self) -> str | None:
        shares = (self.disallowed, self.permitted, self.ungoverned, self.general)
        return None if any(shares) else "general = 0, and so is every other share; set one above 0"


class Rl(Section):
    """Reinforcement learning with a judge that never sees the reasoning."""

    steps: Positive = 80
    prompts_per_step: Positive = 16
    group_size: Annotated[int, Field(ge=2, le=10_000)] = 8
    """Completions of one prompt in a step."""
    learning_rate: float = Field(1e-6, gt=0)
    warmup_steps: Natural = 5
    """Steps up to that rate; at most a tenth of all."""
    temperature: float = Field(1.0, gt=0)
    max_new_tokens: Positive = 1024
    beta: float = Field(0.0, ge=0)
    """Weight of the KL to the starting checkpoint; 0: off."""
    scale_rewards: Literal["none", "group", "batch"] = "none"
    """What advantages are divided by; 'none': r - mean(r)."""
    loss: str = "grpo"
    """The policy loss, by the name that train/rl/losses has."""
    judge_k: Repeats = 2
    """Judgements an answer; judge.aggregate makes them one score."""
    judge_weight: float = Field(1.0, ge=0)
    """Weight of the judge's score, scaled to 0…1."""
    heuristic_weight: float = Field(0.0, ge=0)
    """Weight of the share of the prompt's required sections that the answer has."""
    format_weight: float = Field(0.0, ge=0)
    """Weight of a well-formed completion."""
    replay: float = Field(0.0, ge=0)
    """Weight of the loss on SFT rows beside the policy loss; 0: off."""
    replay_rows: Positive = 16
    """SFT rows replayed a step."""
    balance: Balance | None = None
    """Draw prompts by ruling and category; without it, as they come."""
    max_grad_norm: float = Field(1.0, gt=0)
    save_steps: Positive = 20
    """A killed run loses at most this many steps."""

    @_rule
    def _pays_for_something(self) -> str | None:
        said = "judge_weight = 0, and so is every other weight; set one above 0"
        return None if self.judge_weight + self.heuristic_weight + self.format_weight else said


class Suite(Section):
    """A set of evaluation prompts."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """The suite's name in results and report."""
    path: Path
    """JSONL, as data.prompts; with 'expected' where the truth is known."""
    format: str = "prompts"
    """The form of the file: 'prompts', as data.prompts, or another that data/adapters has a reader for."""
    patterns: Path | None = None
    """TOML: patterns that tell an answer's ruling; with them the suite is graded by truth too."""
    metrics: tuple[MetricName, ...] = tuple(
        metric.name for metric in METRICS.values() if metric.by_default
    )
    judge: bool = True
    """Whether the judge grades it too."""

    @_rule
    def _is_graded(self) -> str | None:
        said = (
            f"metrics = {list(self.metrics)}: nobody grades; name some, with patterns or the judge"
        )
        return None if self.metrics and (self.judge or self.patterns) else said


class Evaluate(Section):
    """Arms x suites, with intervals."""

    arms: tuple[ArmName, ...] = Field(
        tuple(arm.name for arm in ARMS.values() if arm.by_default),
        min_length=1,
        description="; ".join(f"{arm.name}: {arm.meaning}" for arm in ARMS.values()) + ".",
    )
    suites: tuple[Suite, ...] = ()
    """The sets of prompts."""
    samples: Repeats = 2
    """Completions a prompt."""
    temperature: float = Field(1.0, ge=0.0)
    max_new_tokens: Positive = 1024
    judge_k: Repeats = 1
    pass_score: float | None = None
    """The judge's score from which an answer passes; select.threshold unless set."""
    resamples: int = Field(1000, ge=1, le=1_000_000)
    """Bootstrap resamples of the 95 % intervals."""
    max_missing: Share = 0.05
    """The share of a metric's grades that may be missing, in one arm and suite; with more, the run says so at the top of the report and ends with exit code 1."""


class Config(Section):
    """A whole config file."""

    run: Run = Field(default_factory=Run)
    model: Model
    judge_model: Model | None = None
    """The judge; without it, the model judges."""
    synth_model: Model | None = None
    """The model that writes prompts for `dalign data synth`; without it, the judge."""
    spec: SpecFolder
    data: Data
    generate: Generate = Field(default_factory=Generate)
    filter: Filter = Field(default_factory=Filter)
    judge: Judge = Field(default_factory=Judge)
    select: Select = Field(default_factory=Select)
    pack: Pack = Field(default_factory=Pack)
    sft: Sft = Field(default_factory=Sft)
    rl: Rl = Field(default_factory=Rl)
    evaluate: Evaluate = Field(default_factory=Evaluate)

    @_rule
    def _thresholds_are_on_the_scale(self) -> str | None:
        low, high = self.judge.low, self.judge.high
        for key in ("select.threshold", "evaluate.pass_score"):
            value = attrgetter(key)(self)
            if value is not None and not low <= value <= high:
                return f"{key} = {value} is outside the judge's scale {low}…{high}"
        return None

    @_rule
    def _a_bound_has_scores(self) -> str | None:
        """A single score has no lower bound: every answer would be unjudged."""
        for key in ("judge.k", "rl.judge_k", "evaluate.judge_k"):
            count = attrgetter(key)(self)
            if self.judge.aggregate == "lower_bound" and count < 2:
                return (
                    f"{key} = {count}: judge.aggregate = 'lower_bound' needs at least 2 judgements"
                )
        return None

    @property
    def limited(self) -> Config:
        """What it comes to with data.limit: no more RL than prompts, and no end for want of rows."""
        if self.data.limit is None:
            return self
        most = min(self.rl.prompts_per_step, self.data.limit)
        once = -(-self.data.limit // most)
        rl = {"steps": min(self.rl.steps, once), "prompts_per_step": most, "balance": None}
        changed = {
            "rl": self.rl.model_copy(update=rl),
            "select": self.select.model_copy(update={"on_short": "warn"}),
        }
        return self.model_copy(update=changed)

    @property
    def judge_of_record(self) -> Model:
        """The model that judges."""
        return self.judge_model or self.model

    @property
    def writer(self) -> Model:
        """The model that writes prompts."""
        return self.synth_model or self.judge_of_record

    @property
    def pass_score(self) -> float:
        """The judge's score from which an evaluated answer passes."""
        own = self.evaluate.pass_score
        return self.select.threshold if own is None else own
