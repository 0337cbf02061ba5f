"""Stage 2: semantic codes, phonemes and a reference voice to a waveform.

Names are resolved on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sovits.checkpoint import load_sovits, save_sovits
    from sovits.config import DiscriminatorConfig, SynthesizerConfig
    from sovits.discriminator import Discriminator
    from sovits.model import Synthesizer

__all__ = ["Discriminator", "DiscriminatorConfig", "Synthesizer", "SynthesizerConfig", "load_sovits", "save_sovits"]

_HOMES = {
    "Discriminator": "sovits.discriminator",
    "DiscriminatorConfig": "sovits.config",
    "Synthesizer": "sovits.model",
    "SynthesizerConfig": "sovits.config",
    "load_sovits": "sovits.checkpoint",
    "save_sovits": "sovits.checkpoint",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sovits' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
