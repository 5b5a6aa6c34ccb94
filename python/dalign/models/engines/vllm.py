"""A checkpoint in a server of vLLM that dalign starts for it, on the loopback interface, and ends."""

from __future__ import annotations

import http.client
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from dalign import config
from dalign.errors import InputError, MissingExtraError, ServerError
from dalign.models.checkpoint import check_checkpoint, check_weights, load_tokenizer
from dalign.models.devices import CPU, settled
from dalign.models.ends import end_ids, ends_in
from dalign.models.engines.conversation import Written
from dalign.models.engines.server import ServerEngine
from dalign.models.fingerprint import fingerprint
from dalign.models.protocol import (
    EngineKind,
    Machine,
    Reply,
    Request,
    Sampling,
    fingerprint_of,
    unheard,
)
from dalign.models.render import Renderer
from dalign.models.servers import Program, Seat, free_port, tail_of
from dalign.parsing import file_text, json_value
from dalign.store.whole_files import file_digest
from dalign.text import one_line

MODULE = "vllm.entrypoints.openai.api_server"
ADAPTER = "adapter"
# What max_lora_rank may be.
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
_LOOK_EVERY_S = 0.5
# Of its log, in an error.
_LINES = 6
# One that keeps dying is not started for ever.
MOST_RESTARTS = 3


class VllmEngine:
    """Completes conversations as the checkpoint's own template writes them.

    The server is started when something is asked, and again, three times at most, where it dies after it has answered. It is ended by
    `close`, with dalign, and where another server takes its GPUs.
    """

    def __init__(self, model: config.Model, renderer: Renderer, machine: Machine) -> None:
        """model: with a device and a dtype. renderer: of its checkpoint."""
        self._model, self._renderer, self._servers = model, renderer, machine.servers
        self.fingerprint = _fingerprint(model)
        self._logs = machine.logs
        self._seat = _seat_of(model)
        # No other program is to ask it; it goes to the server alone, by its environment.
        self._key, self._port = secrets.token_urlsafe(32), 0
        self._inner: ServerEngine | None = None
        self._restarts = 0
        self.say: Callable[[str], None] = lambda _: None
        self.going = unheard

    @property
    def control_tokens(self) -> tuple[str, ...]:
        """See `Renderer.marks`."""
        return self._renderer.marks

    @property
    def reasoning(self) -> config.Reasoning:
        """As the config or the chat template has it."""
        return self._renderer.reasoning

    @property
    def opens_reasoning(self) -> bool:
        """As the chat template has it."""
        return self._renderer.opens_reasoning

    def stream(
        self, requests: Sequence[Request], sampling: Sampling, done: AbstractSet[str] = frozenset()
    ) -> Iterator[list[Reply]]:
        """See `protocol.Engine`. Raises ServerError, with the last lines of its log, where the server does not start."""
        if all(request.id in done for request in requests):
            return
        self._start()
        assert self._inner is not None
        self._inner.say, self._inner.going = self.say, self._while_waiting
        for replies in self._inner.stream(requests, sampling, done):
            # What it has answered shows that it can.
            self._restarts = 0
            yield replies

    @cached_property
    def log(self) -> Path:
        """What its server says; where the machine has no folder for it, one is made the first time that it is asked for."""
        logs = self._logs or Path(tempfile.mkdtemp(prefix="dalign-vllm-"))
        return logs / f"vllm-{self.fingerprint[:12]}.log"

    def close(self) -> None:
        """Ends the server, if it runs."""
        self._seat.end()

    def _while_waiting(self, rows: float, tokens: int, awaited: str) -> None:
        """Called every second in which no reply comes: one that died is started again, on the same port."""
        self.going(rows, tokens, awaited)
        if self._seat.program is not None and self._seat.program.code() is not None:
            if self._restarts >= MOST_RESTARTS:
                raise self._died("died again and again")
            self._restarts += 1
            self.say(f"the server of vLLM has ended ({self.log}); it is started again")
            self._start()

    def _start(self) -> None:
        """Starts the server unless it runs, and waits until it is ready."""
        if self._seat.program is not None and self._seat.program.code() is None:
            return
        self._seat.end()
        self._servers.make_room(self._seat)
        is_first = self._inner is None
        if is_first:
            self._port = free_port()
            served = served_as(self._model, f"http://127.0.0.1:{self._port}/v1")
            ends = end_ids(ends_in(Path(self._model.path)), self._renderer)
            written = Written(self._renderer, ends)
            self._inner = ServerEngine(served, own_key=self._key, form=written)
        command = command_of(self._model, self._port)
        env = _environment(self._model, self._key, self._seat.gpus)
        self._seat.program = Program(command, env, self.log)
        try:
            self._await_ready()
        except BaseException:
            self._seat.end()
            raise

    def _await_ready(self) -> None:
        began, told = time.monotonic(), -1
        while not _is_ready(self._port):
            waited_s = time.monotonic() - began
            program = self._seat.program
            if program is None or program.code() is not None:
                raise self._died("ended before it was ready")
            if waited_s > self._model.vllm.start_s:
                raise self._died(
                    f"was not ready within {self._model.vllm.start_s:g} s (vllm.start_s)"
                )
            if int(waited_s) > told:
                told = int(waited_s)
                self.going(0.0, 0, f"vLLM starts, {told} s")
            time.sleep(_LOOK_EVERY_S)

    def _died(self, what: str) -> ServerError:
        said = one_line(tail_of(self.log, _LINES)) or "it said nothing"
        if self._inner is not None:
            said = self._inner.masked(said)[-1200:]
        return ServerError(
            f"the server of vLLM for {self._model.path} {what}; see {self.log}; its last lines: {said}"
        )


def served_as(model: config.Model, base_url: str) -> config.Model:
    """The model as its server is asked for it."""
    name = ADAPTER if model.vllm.adapter else model.path
    update = {"engine": "openai", "base_url": base_url, "path": name, "vllm": config.Vllm()}
    return model.model_copy(update=update)


def command_of(model: config.Model, port: int) -> list[str]:
    """The command line of the server."""
    own, flags = model.vllm, list[str]()
    if model.trust_remote_code:
        flags.append("--trust-remote-code")
    if model.device == CPU:
        # Requests with seeds end the CPU's engine under chunked prefill; compiling takes longer than it saves.
        flags += ["--no-enable-chunked-prefill", "--enforce-eager"]
    else:
        flags += ["--gpu-memory-utilization", f"{own.memory:g}"]
        # As many positions as its memory has room for, where the model has more.
        flags += [] if own.max_length else ["--max-model-len", "auto"]
    if own.max_length is not None:
        flags += ["--max-model-len", str(own.max_length)]
    if own.adapter is not None:
        flags += ["--enable-lora", "--lora-modules", f"{ADAPTER}={own.adapter}"]
        flags += ["--max-lora-rank", str(_rank_of(own.adapter))]
    return [
        *(str(own.python or sys.executable), "-m", MODULE),
        *("--model", model.path, "--served-model-name", model.path),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--dtype", model.dtype, "--tensor-parallel-size", str(own.tensor_parallel)),
        "--enable-prefix-caching" if own.prefix_caching else "--no-enable-prefix-caching",
        # The checkpoint's own settings, such as top_k, would count beside what dalign asks for; its end tokens are in each request.
        *("--generation-config", "vllm"),
        *("--disable-uvicorn-access-log", *flags, *own.args),
    ]


def _rank_of(adapter: Path) -> int:
    """The least rank that vLLM makes room for and that the adapter fits. Raises InputError for a folder without an adapter."""
    file = adapter / "adapter_config.json"
    try:
        rank = json_value(file_text(file))["r"]
    except (ValueError, LookupError, TypeError, OSError) as error:
        what = "no settings of a LoRA adapter with its rank r; name the folder that peft wrote"
        raise InputError.in_file(file, what, kind="unfit_model", key="vllm.adapter") from error
    fitting = [most for most in _RANKS if type(rank) is int and 1 <= rank <= most]
    if not fitting:
        what = f"r is {one_line(repr(rank))}, and vLLM takes whole numbers up to {_RANKS[-1]}"
        raise InputError.in_file(file, what, kind="out_of_range", key="r")
    return fitting[0]


def _environment(model: config.Model, key: str, gpus: Sequence[str]) -> Mapping[str, str]:
    """The environment of the server: the user's, its key, its GPUs, and nothing that would tell others of its use."""
    env = {**os.environ, **model.vllm.env, "VLLM_API_KEY": key, "VLLM_NO_USAGE_STATS": "1"}
    env |= {"DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    if gpus:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    if model.vllm.python is not None:
        # Of the interpreter that runs dalign.
        for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
            env.pop(name, None)
    return env


def _is_ready(port: int) -> bool:
    """Whether the server answers that it is well."""
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        asked.request("GET", "/health")
        return asked.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asked.close()


def _seat_of(model: config.Model) -> Seat:
    own, (kind, _, number) = model.vllm, model.device.partition(":")
    if kind == CPU:
        return Seat(0, 0.0)
    return Seat(own.tensor_parallel, own.memory, own.devices or tuple(filter(None, [number])))


def _fingerprint(model: config.Model) -> str:
    folder, adapter = Path(model.path), model.vllm.adapter
    check_weights(folder)
    known = ["vllm", fingerprint(folder), settled(model).dtype]
    known += ["n"] if model.samples_at_once else []
    if adapter is not None:
        known += [file_digest(adapter / "adapter_config.json"), fingerprint(adapter)]
    return fingerprint_of(model, *known)


def _check(model: config.Model) -> None:
    """Raises InputError for a checkpoint, an adapter or an interpreter that cannot be used, MissingExtraError without vLLM."""
    check_checkpoint(Path(model.path))
    own = model.vllm
    if own.adapter is not None:
        _rank_of(own.adapter)
    if own.python is None and find_spec("vllm") is None:
        said = "engine 'vllm' needs the package vllm, which this interpreter does not have; set vllm.python to the interpreter of an environment that has it"
        raise MissingExtraError(said)
    if own.python is not None and not (own.python.is_file() and os.access(own.python, os.X_OK)):
        said = f"vllm.python = {str(own.python)!r}: no program that can be run; name the interpreter of an environment that has vLLM"
        raise InputError(said, kind="missing_file", path=own.python, key="vllm.python")


def _open(model: config.Model, machine: Machine) -> VllmEngine:
    _check(model)
    tokenizer = load_tokenizer(Path(model.path), model.trust_remote_code)
    renderer = Renderer(tokenizer, model.reasoning, model.day)
    return VllmEngine(settled(model), renderer, machine)


KIND = EngineKind(
    name="vllm",
    writes_open_tag=False,
    renders=True,
    fingerprint_of=_fingerprint,
    open=_open,
    check=_check,
)
