"""What a server is sent with each conversation: by the names that it takes, without what it takes not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dalign import config
from dalign.models.protocol import Request, Sampling

# Parameters by the names under which a server takes them; "" leaves one out.
Names = Mapping[str, str]
# Those that ask for a completion's tokens.
TELLING = ("logprobs", "return_token_ids")


def body_of(
    model: config.Model,
    request: Request,
    sampling: Sampling,
    names: Names,
    telling: Mapping[str, Any],
) -> dict[str, Any]:
    """A request's body, but for the conversation. names: learned of the server; what the config says of a parameter goes before.

    telling: what has it tell tokens, where they are asked for.

    top_p at its neutral value is not sent; the temperature is, as servers have other defaults.
    """
    sent: dict[str, Any] = {
        "model": model.path,
        "temperature": sampling.temperature,
        # Some servers hold seeds in 32 bits.
        "seed": request.seed % 2**31,
        "max_tokens": sampling.max_new_tokens,
    }
    if request.others:
        sent["n"] = 1 + len(request.others)
    if sampling.top_p < 1.0:
        sent["top_p"] = sampling.top_p
    if sampling.tells_tokens:
        sent |= telling
    if sampling.temperature != 1.0:
        # One that was left out at its neutral value: what another stage draws otherwise must be said.
        names = {name: other for name, other in names.items() if name != "temperature"}
    names = {**names, **model.rename, **dict.fromkeys(model.leave_out, "")}
    named = {names.get(name, name): value for name, value in sent.items()}
    named.pop("", None)
    return {**model.request, **named}


def learned(names: Names, problem: str, sampling: Sampling, *, many: bool = False) -> Names:
    """The names to try where a refusal speaks of a parameter that has another name, or can be left out.

    A drawing that is not the default is never left out: the replies would be drawn in another way. many: whether several
    completions were asked for at once.
    """
    other = {"max_tokens": "max_completion_tokens", "seed": ""}
    if sampling.tells_tokens:
        other |= dict.fromkeys(TELLING, "")
    if many:
        other["n"] = ""
    if sampling.temperature == 1.0:
        other["temperature"] = ""
    spoken = set(re.findall(r"\w+", problem))
    return {**names, **{name: other[name] for name in other if name in spoken}}
