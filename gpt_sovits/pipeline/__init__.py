"""From a request to a waveform: sentences, features, stage 1, stage 2, one joined recording.

Names are resolved on first use: a front end can read the request's schema without loading any network code.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpt_sovits.pipeline.audio import Audio
    from gpt_sovits.pipeline.request import Request
    from gpt_sovits.pipeline.tts import TTS

__all__ = ["TTS", "Audio", "Request"]
_ROOMS = {"TTS": "tts", "Audio": "audio", "Request": "request"}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
