"""Models: a checkpoint or a server, how it reasons, and what a server is sent."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from dalign.config.section import Positive, Section, rule
from dalign.vocabulary import (
    FORMS,
    THINK_TAGS,
    FormName,
)

# Of a device and a dtype: what the machine has.
AUTO: Literal["auto"] = "auto"
EngineName = Literal["transformers", "vllm", "openai", "scripted"]
# Those whose `path` is a checkpoint folder; models/engines/ has what else is known of each.
CHECKPOINT_ENGINES: tuple[EngineName, ...] = ("transformers", "vllm")
# The one of them that runs in this process, and those that start a server each.
LOCAL_ENGINE: EngineName = "transformers"
STARTED_ENGINES: tuple[EngineName, ...] = ("vllm",)
Attention = Literal["sdpa", "eager", "flash_attention_2"]
USUAL_ATTENTION: Attention = "sdpa"


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

    @rule
    def _tags_differ(self) -> str | None:
        said = f"close = {self.close!r} opens the reasoning too; give two tags"
        return said if self.open == self.close else None


class Vllm(Section):
    """The server of vLLM that dalign starts for a checkpoint (engine 'vllm')."""

    python: Path | None = None
    """The interpreter that has vLLM, such as that of an environment of its own; the one that runs dalign unless set."""
    tensor_parallel: Positive = 1
    """GPUs that one model is spread over."""
    memory: float = Field(0.9, gt=0, le=1)
    """The share of each GPU's memory that it takes. Models whose shares fit on one GPU run there side by side, others in turn."""
    devices: tuple[str, ...] = ()
    """The GPUs that it may have, such as ["0", "1"]; any unless set."""
    max_length: Positive | None = None
    """Tokens of a prompt with its completion; the model's positions unless set. Fewer take less memory."""
    prefix_caching: bool = True
    """Whether what many prompts begin with, such as the policy, is computed once."""
    adapter: Path | None = None
    """A LoRA adapter of the checkpoint, which is asked in its place."""
    start_s: float = Field(1800.0, gt=0)
    """How long it may take to be ready; a large model is read for minutes."""
    args: tuple[str, ...] = ()
    """What its command line has beside, such as ["--kv-cache-dtype", "fp8"]."""
    env: dict[str, str] = Field({})
    """What its environment has beside, such as {VLLM_CPU_KVCACHE_SPACE="4"}; no place for a key."""

    @rule
    def _args_leave_daligns_own(self) -> str | None:
        for arg in self.args:
            name = arg.partition("=")[0].replace("_", "-")
            if name in _VLLM_OWN:
                return f"args has {name}, which dalign gives by itself; {_VLLM_OWN[name]}"
        for name in self.env:
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                return f"env names {name!r}, which is no name of an environment variable"
            if name == "CUDA_VISIBLE_DEVICES":
                return "env names CUDA_VISIBLE_DEVICES; set devices"
            if _NAMES_A_SECRET.fullmatch(name) or _ENDS_AS_A_SECRET.search(name):
                return f"env.{name} would be stored with the run; set it in the environment of dalign itself, which the server inherits"
        return None


class Price(Section):
    """What asking a model costs, in whatever money you count in."""

    read: float = Field(0.0, ge=0, le=1e9)
    """For a million tokens of prompts."""
    written: float = Field(0.0, ge=0, le=1e9)
    """For a million tokens of completions."""
    hour: float = Field(0.0, ge=0, le=1e9)
    """For an hour of the machine that runs it, while it is asked."""

    @property
    def is_free(self) -> bool:
        """Whether nothing is said of any price."""
        return not (self.read or self.written or self.hour)

    def of(self, read: float, written: float, seconds: float) -> float:
        """Money for so many tokens and seconds."""
        return (self.read * read + self.written * written) / 1e6 + self.hour * seconds / 3600


class Model(Section):
    """The model that is trained, or the one that judges."""

    path: str
    """A checkpoint folder; 'sandbox' is the one that dalign ships. With engine 'openai', the model's name."""
    engine: EngineName = LOCAL_ENGINE
    """What runs it: this process, a server of vLLM that dalign starts, or an OpenAI-compatible server of yours."""
    base_url: str | None = None
    """The server's address, such as http://127.0.0.1:8000/v1 (engine 'openai')."""
    endpoints: dict[str, float] = Field({})
    """Further servers of the same model, each with its weight; base_url's is 1, such as {"http://10.0.0.2:8000/v1"=1, "http://10.0.0.3:8000/v1"=2}."""
    api_key_env: str = "OPENAI_API_KEY"
    """The environment variable that holds the server's key, if it wants one."""
    checkpoint: Path | None = None
    """The checkpoint folder of what a server serves; needed to train it (engine 'openai')."""
    device: str = AUTO
    """cpu, cuda, cuda:1, …; 'auto': a GPU if there is one, else the CPU. A run keeps what it was started with."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = AUTO
    """The weights' type when loaded; 'auto': bfloat16 on a GPU that has it, else float32."""
    attention: Attention = USUAL_ATTENTION
    """How attention is computed in this process and in training: 'sdpa' by torch; 'eager' step by step, for models that have no other; 'flash_attention_2' by the package flash-attn, on a GPU in 16 bits."""
    batch_size: Positive = 128
    """Completions generated side by side; with a server, requests in flight."""
    timeout_s: float = Field(300.0, gt=0)
    """A server's request is given up after this many seconds, and token_s for each token that it may write, and sent once more."""
    token_s: float = Field(0.1, ge=0)
    """Seconds that a token may take."""
    samples_at_once: bool = False
    """Whether the completions of one prompt are asked for in one request (n): the prompt is sent and read once. Judgements are not: no two of them are alike."""
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
    vllm: Vllm = Field(default_factory=Vllm)
    price: Price = Field(default_factory=Price)
    """What asking it costs, for the plan, the progress and run.cap, such as {read=0.15, written=0.6} for a million tokens each, or {hour=2.5}."""
    trust_remote_code: bool = False
    """Whether code that comes with the checkpoint may run."""
    day: date | None = None
    """The day that a chat template writes which writes the date, such as 2026-11-29; the run's first one unless set. A time of day is 00:00."""
    reasoning: Reasoning = Field(default_factory=Reasoning)

    @rule
    def _server_is_told_without_secrets(self) -> str | None:
        if self.engine == "openai" and not self.base_url:
            return "base_url is missing: engine 'openai' needs the server's address, such as http://127.0.0.1:8000/v1"
        # Neither says the value: it may be a key, or hold a password.
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.api_key_env):
            return "api_key_env is no name of an environment variable; write the name, such as OPENAI_API_KEY, and put the key into that variable"
        wrong = self.base_url and _no_address(self.base_url)
        said = f"base_url {wrong}; write the address alone, such as http://127.0.0.1:8000/v1, and put a key in the environment variable that api_key_env names"
        return said if wrong else self._wrong_endpoint()

    def _wrong_endpoint(self) -> str | None:
        """What is wrong with a further address, which is not shown: it may hold a password."""
        for number, (url, weight) in enumerate(self.endpoints.items(), 1):
            if wrong := _no_address(url):
                return f"address {number} of endpoints {wrong}; write the address alone, such as http://127.0.0.1:8000/v1"
            if not (0 < weight < float("inf")):
                return f"endpoints gives address {number} the weight {weight}; give it one above 0"
            if url.rstrip("/") == str(self.base_url).rstrip("/"):
                return f"address {number} of endpoints is base_url, whose weight is 1; leave it out"
        return None

    @rule
    def _what_is_sent_is_told_once(self) -> str | None:
        given = {key for key in _OF_SERVERS if getattr(self, key)}
        if given and self.engine != "openai":
            return f"{min(given)} is for engine 'openai'; with another one nothing is sent"
        if self.samples_at_once and self.engine not in ("openai", "vllm"):
            return "samples_at_once is for engines 'openai' and 'vllm'; leave it out"
        if self.engine != "vllm" and self.vllm != Vllm():
            return "vllm is for engine 'vllm'; set it, or leave the section out"
        return _wrong_parameters(self) or _wrong_headers(self)

    def __hash__(self) -> int:
        """By all of it: a table of settings has no hash of its own."""
        return hash(self.model_dump_json())


PARAMETERS = ("model", "temperature", "top_p", "max_tokens", "seed")
_OF_SERVERS = ("endpoints", "request", "leave_out", "rename", "headers", "query")
# dalign's own, in each request.
_RESERVED = frozenset(PARAMETERS) - {"top_p"} | {"messages", "n", "stream"}
# Of vLLM's command line what dalign gives, and where it is set.
_VLLM_OWN = {
    **dict.fromkeys(("--host", "--port", "--api-key", "--served-model-name"), "the server is dalign's alone"),
    "--model": "set path", "--dtype": "set dtype", "--tensor-parallel-size": "set vllm.tensor_parallel", "-tp": "set vllm.tensor_parallel",
    "--gpu-memory-utilization": "set vllm.memory", "--max-model-len": "set vllm.max_length", "--trust-remote-code": "set trust_remote_code",
    "--enable-prefix-caching": "set vllm.prefix_caching", "--no-enable-prefix-caching": "set vllm.prefix_caching", "--lora-modules": "set vllm.adapter",
    **dict.fromkeys(("--reasoning-parser", "--chat-template"), "replies are read, and prompts written, as the checkpoint's template has it"),
}  # fmt: skip
_ENDS_AS_A_SECRET = re.compile(r"(?i)_(key|token|secret|password)$")
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
