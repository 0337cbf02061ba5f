"""A voice model on disk: a folder with `model.yaml` that names its parts.

tiny/
  model.yaml            what it is and where its parts are
  hubert.safetensors    content encoder (kind "hubert"), or a Hugging Face folder
  s1.safetensors        text to semantic tokens (kind "s1")
  s2.safetensors        semantic tokens to waveform (kind "s2")
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from gpt_sovits.core.config import Strict, load_config
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.resources import resource

MANIFEST = "model.yaml"


class BundleManifest(Strict):
    """Content of `model.yaml`; paths are relative to its folder."""

    name: str
    symbols: Literal["v1", "v2"] = "v2"
    languages: tuple[str, ...]
    """Languages it was trained on, as the front end's keys: zh en ja ko yue."""
    hubert: str
    s1: str | None = None
    s2: str | None = None
    bert: str | None = None
    """Hugging Face folder of the Chinese BERT; None: the model reads phonemes only."""
    speaker: str | None = None
    """ERes2NetV2 weights; None: no speaker branch."""
    prompt_silence: float = 0.6
    """Seconds of silence put after a reference before its codes are taken, so that its last sound is whole. The public
    models have been used with 0.6; a model trained on utterances as they end takes 0."""
    sampling: dict[str, int | float] = Field(default_factory=dict)
    """Options of a request, such as `temperature`, that this model speaks best with; they take the place of the general
    defaults where a request leaves them open."""
    licence: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A manifest and the folder it lies in."""

    folder: Path
    manifest: BundleManifest

    def part(self, name: Literal["hubert", "s1", "s2", "bert", "speaker"]) -> Path | None:
        """Path of a part, or None when the model has none.

        Raises:
            CheckpointError: the manifest names a file that is not there.
        """
        relative = getattr(self.manifest, name)
        if relative is None:
            return None
        path = self.folder / relative
        if not path.exists():
            raise CheckpointError(f"the model {self.manifest.name} names {name}: {path}, which does not exist")
        return path

    def need(self, name: Literal["hubert", "s1", "s2", "bert", "speaker"]) -> Path:
        """Path of a part that must be there."""
        path = self.part(name)
        if path is None:
            raise CheckpointError(f"the model {self.manifest.name} in {self.folder} has no {name} part")
        return path


def find_model(name: str | Path) -> Bundle:
    """A model by its folder, or by its name under `pretrained_models/`.

    Raises:
        CheckpointError: there is no such model; the sentence lists those that are.
    """
    for folder in (Path(name), resource("pretrained_models", str(name))):
        if (folder / MANIFEST).is_file():
            return Bundle(folder, load_config(BundleManifest, folder / MANIFEST))
    known = ", ".join(sorted(p.parent.name for p in resource("pretrained_models").glob(f"*/{MANIFEST}"))) or "none"
    raise CheckpointError(f"there is no model {str(name)!r}: give a folder with {MANIFEST}, or one of: {known}")
