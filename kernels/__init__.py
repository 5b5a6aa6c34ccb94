"""Triton kernels, one folder an op; each op's `reference.py` is its definition in plain PyTorch.

`dalign.kernels.token_logprobs` is the folder of the op and of its function:
`from dalign.kernels.token_logprobs import token_logprobs`.

Nothing is imported until an op is named: torch takes seconds, and Triton exists on Linux only.
"""

from importlib import import_module
from types import ModuleType

__all__ = ["token_logprobs"]


def __getattr__(name: str) -> ModuleType:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no op {name!r}; it has {', '.join(__all__)}")
    return import_module(f".{name}", __name__)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
