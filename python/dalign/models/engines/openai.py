"""Engine `openai`: one server of the user's, or several as a pool."""

from __future__ import annotations

from dalign import config
from dalign.models.engines.connection import Connection
from dalign.models.engines.pool import PoolEngine
from dalign.models.engines.served import card_of, fingerprint_of_served
from dalign.models.engines.server import ServerEngine
from dalign.models.protocol import Engine, EngineKind, Machine


def _open(model: config.Model, _: Machine) -> Engine:
    return PoolEngine(model) if model.endpoints else ServerEngine(model)


# A server gives reasoning and answer apart; what it serves is what it says of it.
KIND = EngineKind(
    name="openai",
    writes_open_tag=None,
    fingerprint_of=fingerprint_of_served,
    open=_open,
    check=Connection,
    says=card_of,
)
