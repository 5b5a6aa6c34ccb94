"""How a server is sent a conversation: as it stands, or as a checkpoint's template writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dalign.models.render import Renderer
from dalign.rows import Message


class Chat:
    """A conversation as it stands, which the server writes for the model."""

    path = "chat/completions"
    # What has the server tell a completion's tokens; vLLM and SGLang give ids too, and llama.cpp without being asked.
    telling: Mapping[str, Any] = {"logprobs": True, "return_token_ids": True}

    def body(self, messages: Sequence[Message]) -> dict[str, Any]:
        """What a request has of it."""
        return {"messages": list(messages)}


class Written(NamedTuple):
    """A conversation as a checkpoint's template writes it, for a server of vLLM: what is rendered here is what the model reads.

    ends: the tokens that end a completion.
    """

    renderer: Renderer
    ends: tuple[int, ...]
    path: str = "completions"
    telling: Mapping[str, Any] = {"logprobs": 0, "return_token_ids": True}

    def body(self, messages: Sequence[Message]) -> dict[str, Any]:
        """What a request has of it. Raises InputError where the template does not write the conversation as a whole."""
        [prompt] = self.renderer.prompts([messages])
        beside = {"add_special_tokens": False, "skip_special_tokens": False}
        return {"prompt": prompt, **beside, "stop_token_ids": self.ends}


CHAT = Chat()
