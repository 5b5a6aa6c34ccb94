"""What is said of a server that answers nobody, or refuses all."""

from __future__ import annotations

from urllib.parse import urlsplit

from dalign import config
from dalign.errors import ServerError
from dalign.models.protocol import Request


def unanswered(
    url: str, model: config.Model, kind: str, problem: str, attempts: int, *, has_answered: bool
) -> ServerError:
    """The error of a server that answers nobody. kind: what the last attempt met, `lost` or `late` or else; problem: in words."""
    met = f"({problem}; {attempts} attempts)"
    if kind == "lost" and not has_answered:
        way_out = "start it, or set base_url to its address"
        return ServerError(f"no server answers at {url} {met}; {way_out}")
    what, waited = "has answered no request", ""
    if has_answered:
        what = "answers no request any more"
        waited = f", and was waited for {model.retry_s:g} s (retry_s)"
    way_out = "see the server's log"
    if kind == "late":
        met, way_out = f"({problem})", f"raise timeout_s, or {way_out}"
    return ServerError(f"{url} {what} {met}{waited}; {way_out}")


def refusal(url: str, model: config.Model, request: Request, problem: str) -> ServerError:
    """The error of a server that refuses what all requests have."""
    return ServerError(f"{url} refused request {request.id} with {problem}{_hint(model, problem)}")


def _hint(model: config.Model, problem: str) -> str:
    """What may be done about a refusal of all requests; nothing where nobody knows."""
    base = (model.base_url or "").rstrip("/")
    path = urlsplit(base).path
    if problem.startswith(("status 404", "status 405")):
        if path.endswith("/chat/completions"):
            return "; base_url is the address before /chat/completions"
        if not path and "model" not in problem.casefold():
            return f"; base_url names no path: most servers answer at {base}/v1"
    if any(name in problem for name in config.PARAMETERS if name != "model"):
        return "; leave_out, rename and request of the model's section say what it is sent"
    return ""
