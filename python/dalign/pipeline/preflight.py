"""What would stop a run later, found before anything is paid for."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator
from urllib.parse import urlsplit

import polars as pl

from dalign.config import CHECKPOINT_ENGINES, Config, Model
from dalign.data.judge_card import AskedJudge, of_another
from dalign.drift import USUAL_STEPS
from dalign.errors import InputError
from dalign.models.checkpoint import positions_of
from dalign.models.devices import check_attention, check_device, check_devices, settled
from dalign.pipeline.engines import Engines
from dalign.pipeline.golden import golden_of_training
from dalign.pipeline.memory import check_memory
from dalign.pipeline.oversight import least_golden
from dalign.pipeline.project import Project, Source, left_out
from dalign.train.draw import check_split
from dalign.train.trackers import check_trackers
from dalign.vocabulary import BASE, CAPABILITY, TRAININGS

# A machine that is there accepts a connection at once.
CONNECT_S = 5.0
# Of a file's rows, how many of the longest are counted in tokens.
_LONGEST = 4


def warnings_of(project: Project, engines: Engines, kinds: Collection[str]) -> Iterator[str]:
    """Sentences about what a user will want to know before these kinds of stages run.

    Raises InputError for what would stop one of them.
    """
    config = project.config
    if not TRAININGS.isdisjoint(kinds):
        check_devices(config.run.devices, "model.device", config.model.device)
        check_trackers(config.run.trackers)
    for key, model in models_of(config, kinds).items():
        if model.engine in CHECKPOINT_ENGINES or not TRAININGS.isdisjoint(kinds):
            check_device(f"{key}.device", model.device)
            check_attention(key, settled(model))
    yield from _idle(config, kinds)
    if "rl" in kinds:
        check_split(config.rl, config.run.devices)
    if "distill" in kinds:
        check_split(config.distill, config.run.devices)
    yield from check_memory(project, engines, kinds)
    yield from left_out(project)
    yield from map(str, project.leaks)
    if project.judge_card is not None:
        yield from of_another(project.judge_card.judge, AskedJudge.of(config))
    if "pack" in kinds:
        yield from _too_long(project, engines)
    if "select" in kinds and config.data.limit is None:
        yield from _no_choice(config)
    if "rl" in kinds and config.data.limit is None:
        yield from _no_alarm(config)
        yield from _too_few_golden(project)
    if "evaluate" in kinds:
        yield from _no_bound(config)


def _idle(config: Config, kinds: Collection[str]) -> Iterator[str]:
    """That devices train on nothing."""
    devices, rows = config.run.devices, config.sft.rows_per_step
    if "sft" in kinds and devices > rows:
        yield f"run.devices = {devices} is more than sft.rows_per_step = {rows}: {devices - rows} of them have no row in any step; lower it, or raise sft.rows_per_step"


def _no_choice(config: Config) -> Iterator[str]:
    """That shifts are asked for, and decide nothing."""
    wanted = config.select
    if wanted.by_shift and wanted.max_examples is None and wanted.least_shift is None:
        yield "select.by = 'policy-shift' chooses nothing without select.max_examples or select.least_shift: shifts are asked for and written down alone; set one of the two"


def _no_bound(config: Config) -> Iterator[str]:
    """That a bound on what is forgotten is held against nothing."""
    settings = config.evaluate
    measured = BASE in settings.arms and any(CAPABILITY in s.metrics for s in settings.suites)
    if settings.max_forgetting is not None and not measured:
        yield f"evaluate.max_forgetting = {settings.max_forgetting:g} bounds nothing: what is forgotten is measured with the arm '{BASE}' and a suite with the metric '{CAPABILITY}'; add them, or leave it out"


def _no_alarm(config: Config) -> Iterator[str]:
    """That somebody looks on while RL rewards who will have nothing to tell by its end."""
    rl = config.rl
    if rl.on_alarm == "stop" and config.second_judge_model is None and not rl.readmit_every:
        yield "rl.on_alarm = 'stop' stops nothing, as nobody looks on who could raise an alarm; give second_judge_model or rl.readmit_every, or leave it out"
    scored = -(-rl.steps // rl.second_every)
    if config.second_judge_model is not None and scored <= USUAL_STEPS:
        yield f"second_judge_model scores {scored} steps (rl.steps = {rl.steps}, rl.second_every = {rl.second_every}), and of the first {USUAL_STEPS} it is learnt what the judge's scores mean: it can raise no alarm; raise rl.steps, or lower rl.second_every"
    if rl.readmit_every > rl.steps:
        yield f"rl.readmit_every = {rl.readmit_every} is more than rl.steps = {rl.steps}: the judge is asked about golden cases before the first step alone, which is held against nothing; lower it"


def _too_few_golden(project: Project) -> Iterator[str]:
    """That the judge is asked again about so few golden cases that not even all lost would tell it from chance."""
    rl, cases = project.config.rl, len(golden_of_training(project))
    if not rl.readmit_every or not (times := rl.steps // rl.readmit_every):
        return
    least = least_golden(times)
    if cases < least:
        yield f"rl.readmit_every = {rl.readmit_every} asks the judge again about {cases} golden cases, {times} times: fewer than {least} tell no change from chance, whatever it answers; write more, or raise rl.readmit_every"


def models_of(config: Config, kinds: Collection[str]) -> dict[str, Model]:
    """The models that these kinds of stages ask or train, by their keys in the config."""
    found, asked = {}, set(kinds)
    if config.data.brought is not None:
        asked.discard("generate")
    if config.data.examples is not None:
        asked.discard("judge")
    if not {"generate", "evaluate", *TRAININGS}.isdisjoint(asked):
        found["model"] = config.model
    judges = any(suite.judge for suite in config.evaluate.suites)
    if "judge" in asked or "rl" in asked or ("evaluate" in asked and judges):
        found["model" if config.judge_model is None else "judge_model"] = config.judge_of_record
    if "rl" in asked and config.second_judge_model is not None:
        found["second_judge_model"] = config.second_judge_model
    return found


def missing_servers(config: Config, kinds: Collection[str]) -> Iterator[str]:
    """A sentence for each server, of those that these kinds of stages ask, at whose address nobody answers."""
    for key, model in models_of(config, kinds).items():
        if model.base_url is None or model.engine in CHECKPOINT_ENGINES:
            continue
        if any(not unreachable(url) for url in model.endpoints):
            # The pool goes on with those that are there.
            continue
        if reason := unreachable(model.base_url):
            yield f"{key}.base_url = {model.base_url!r}: no server answers there ({reason}); start it, or name another address"


def unreachable(url: str) -> str:
    """Why no connection to the server at this address can be made; empty where one can. Nothing is asked of it."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((str(parts.hostname), port), CONNECT_S).close()
    except (OSError, UnicodeError) as error:
        return str(getattr(error, "strerror", None) or error or type(error).__name__)
    return ""


def _too_long(project: Project, engines: Engines) -> Iterator[str]:
    """What may not fit pack.capacity. Raises InputError for what cannot fit, where that would stop the run."""
    config = project.config
    capacity, written = config.pack.capacity, config.generate.max_new_tokens
    stops = config.pack.over_long == "error"
    way_out = "raise pack.capacity" + (", or set pack.over_long = 'drop'" if stops else "")
    if capacity < written and project.brought is None:
        said = f"pack.capacity = {capacity} is below generate.max_new_tokens = {written}: completions of more tokens fit no row of training; {way_out}"
        if stops:
            raise InputError(said, kind="broken_rule", key="pack.capacity", value=capacity)
        yield said
    longest = _longest(project.prompts, engines)
    if longest and longest[1] + written > capacity >= written and project.brought is None:
        row, tokens = longest
        yield f"prompt {row} has {tokens} tokens, which with a completion of generate.max_new_tokens = {written} are more than pack.capacity = {capacity}; {way_out}, or some may not fit"
    more = None if project.capability is None else _longest(project.capability, engines)
    yield from _beyond_positions(config, engines, longest, more)
    if more and more[1] > capacity:
        row, tokens = more
        said = f"capability row {row} has {tokens} tokens, more than pack.capacity = {capacity}; {way_out}, or shorten it"
        if stops:
            raise InputError(said, kind="over_long", key="pack.capacity", value=capacity)
        yield said


def _beyond_positions(
    config: Config,
    engines: Engines,
    prompt: tuple[str, int] | None,
    capability: tuple[str, int] | None,
) -> Iterator[str]:
    """What is trained on in positions that the model does not have: some models fail there, others were never trained so far."""
    model = config.model
    positions = positions_of(engines.checkpoint(model), model.trust_remote_code)
    limit = f"the model's {positions} positions (max_position_embeddings)"
    way_out = "shorten it, or take a model of more positions"
    if positions is None:
        return
    if capability and capability[1] > positions:
        row, tokens = capability
        yield f"capability row {row} has {tokens} tokens, more than {limit}; {way_out}"
    written = 0 if config.data.brought is not None else config.generate.max_new_tokens
    if prompt and prompt[1] + written > positions:
        row, tokens = prompt
        yield f"prompt {row} has {tokens} tokens, which with a completion of generate.max_new_tokens = {written} are more than {limit}; {way_out}, or some rows may go beyond them in training"


def _longest(source: Source, engines: Engines) -> tuple[str, int] | None:
    """(id, tokens) of the longest of a file's conversations, as far as characters tell, without what a template adds."""
    parts = [pl.col("messages").list.eval(pl.element().struct["content"])]
    columns = source.table.scan().collect_schema().names()
    parts += [
        pl.concat_list(pl.col(n).fill_null("")) for n in ("reasoning", "answer") if n in columns
    ]
    text = pl.concat_list(parts).list.join("\n")
    rows = source.table.scan().select("id", text=text)
    rows = rows.sort(pl.col("text").str.len_bytes(), descending=True).head(_LONGEST)
    found = rows.collect()
    if found.is_empty():
        return None
    counted = found.with_columns(tokens=engines.tokenizer.count(found["text"]))
    best = counted.sort("tokens", descending=True)
    return best["id"][0], int(best["tokens"][0])
