"""A voice model on disk: a folder with `model.yaml` that names its parts.

tiny/
  model.yaml            what it is and where its parts are
  hubert.safetensors    content encoder (kind "hubert"), or a Hugging Face folder
  s1.safetensors        text to semantic tokens (kind "s1")
  s2.safetensors        semantic tokens to waveform (kind "s2")

A part is a path relative to the folder, `shared:NAME` for one that many models use, or `model:NAME` for the same part
of another model. Names are looked up in the places of `model_places`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeInt

from gpt_sovits.core.config import Strict, load_config
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.resources import resource

MANIFEST = "model.yaml"
SHARED = "shared"
"""Folder of a model place that holds the parts many models use."""
VARIABLE = "GPT_SOVITS_MODELS"

PartName = Literal["hubert", "s1", "s2", "bert", "speaker", "reader", "s1_adapter", "s2_adapter"]
PARTS: tuple[PartName, ...] = ("hubert", "s1", "s2", "bert", "speaker", "reader", "s1_adapter", "s2_adapter")


class OwnPrompt(Strict):
    """A sentence and its codes, to be continued by stage 1."""

    text: str
    codes: tuple[NonNegativeInt, ...] = Field(min_length=1)


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
    """ERes2NetV2 or CAM++ weights; None: no speaker branch."""
    reader: str | None = None
    """Hears what codes say, and so chooses among several draws of stage 1, see `ar.reader`; None: the one in stage 2
    does, where there is one, else stage 1 itself, where it can."""
    s1_adapter: str | None = None
    """Small weights that change stage 1, such as a voice over `model:tiny`; see `gpt_sovits.core.lora`."""
    s2_adapter: str | None = None
    family: str | None = None
    """Of a model of the public GPT-SoVITS: v1, v2, v2Pro, v2ProPlus, v3 or v4."""
    base: str | None = None
    """Name of the model whose decoder the stage 2 of this one, a LoRA file, changes."""
    front_end: Literal["own", "public"] = "own"
    """How text is read: public, for weights trained on phonemes of the public front end."""
    prompt_silence: float = 0.6
    """Seconds of silence put after a reference before its codes are taken, so that its last sound is whole. The public
    models have been used with 0.6; a model trained on utterances as they end takes 0."""
    prompts: dict[str, OwnPrompt] = Field(default_factory=dict)
    """By language: what stage 1 continues in place of the reference where a request says `manner: model`."""
    sampling: dict[str, int | float | str] = Field(default_factory=dict)
    """Options of a request, such as `temperature`, that this model speaks best with; they take the place of the general
    defaults where a request leaves them open."""
    reference: str | None = None
    """A recording to speak from where none is given."""
    reference_text: str | None = None
    reference_language: str | None = None
    run: str | None = None
    """Folder of the fine-tuning it came from."""
    finetune: dict[Literal["s1", "s2"], str] = Field(default_factory=dict)
    """Recipes under `configs/` that suit fine-tuning this model; others take the public ones."""
    licence: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A manifest and the folder it lies in."""

    folder: Path
    manifest: BundleManifest

    def part(self, name: PartName) -> Path | None:
        """Path of a part, or None when the model has none.

        Raises:
            CheckpointError: the manifest names a file that is not there.
        """
        reference = getattr(self.manifest, name)
        if reference is None:
            return None
        kind, colon, other = reference.partition(":")
        if colon and kind == "shared":
            return self._shared(other)
        if colon and kind == "model":
            return self._of_model(other, name)
        path = self.folder / reference
        if not path.exists():
            raise CheckpointError(f"the model {self.manifest.name} names {name}: {path}, which does not exist")
        return path

    def need(self, name: PartName) -> Path:
        """Path of a part that must be there."""
        path = self.part(name)
        if path is None:
            raise CheckpointError(f"the model {self.manifest.name} in {self.folder} has no {name} part")
        return path

    def missing(self) -> list[str]:
        """Names of the shared parts it refers to that are not installed."""
        names = (getattr(self.manifest, part) or "" for part in PARTS)
        shared = [name.removeprefix("shared:") for name in names if name.startswith("shared:")]
        return [name for name in shared if find_shared(name) is None]

    def _of_model(self, other: str, name: PartName) -> Path | None:
        model = find_model(other)
        if (getattr(model.manifest, name) or "").startswith("model:"):
            raise CheckpointError(
                f"{self.manifest.name} takes its {name} from {other}, which has none of its own: name another model"
            )
        return model.part(name)

    def _shared(self, name: str) -> Path:
        path = find_shared(name)
        if path is None:
            raise CheckpointError(f"the model {self.manifest.name} needs {', '.join(self.missing())}, {HOW_TO_ADD}")
        return path


HOW_TO_ADD = (
    "which every public model shares and which is not installed: download the public pretrained_models folder and run "
    "`gpt-sovits models import-pretrained FOLDER`"
)


def model_places() -> list[Path]:
    """Folders whose sub-folders are models, in the order in which names are looked up.

    They are $GPT_SOVITS_MODELS where that is set, `pretrained_models/` beside the code, and the user's data folder.
    """
    given = os.environ.get(VARIABLE)
    first = [Path(given)] if given else []
    return [*first, resource("pretrained_models"), user_place()]


def user_place() -> Path:
    """The models of this user, as the platform wants it."""
    if sys.platform == "win32":
        home = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        home = Path.home() / "Library" / "Application Support"
    else:
        home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return home / "gpt-sovits" / "models"


def import_place() -> Path:
    """Where new models go: $GPT_SOVITS_MODELS, else `pretrained_models/` of a checkout, else the user's data folder."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given)
    beside = resource("pretrained_models")
    return user_place() if beside.parent.name == "_data" else beside


def find_shared(name: str) -> Path | None:
    """A part that many models use: a folder, or a safetensors file."""
    for place in model_places():
        for path in (place / SHARED / name, place / SHARED / f"{name}.safetensors"):
            if path.exists():
                return path
    return None


def installed() -> Iterator[Bundle]:
    """Every model that a name can find, by name; of two with one name the first place's."""
    found: dict[str, Path] = {}
    for place in model_places():
        for path in place.glob(f"*/{MANIFEST}"):
            if not path.parent.name.startswith("."):
                found.setdefault(path.parent.name, path.parent)
    for name in sorted(found):
        yield read_model(found[name])


def read_model(folder: Path) -> Bundle:
    """The model in a folder that has a manifest."""
    return Bundle(folder, load_config(BundleManifest, folder / MANIFEST))


def find_model(name: str | Path) -> Bundle:
    """A model by its folder, or by its name.

    Raises:
        CheckpointError: there is no such model; the sentence lists those that are.
    """
    for folder in (Path(name), *(place / str(name) for place in model_places())):
        if (folder / MANIFEST).is_file():
            return read_model(folder)
    if Path(name).is_file():
        raise CheckpointError(
            f"{name} is a file, not a model: take it in with `gpt-sovits models import {name}`, then use its name"
        )
    known = (
        ", ".join(sorted({p.parent.name for place in model_places() for p in place.glob(f"*/{MANIFEST}")})) or "none"
    )
    raise CheckpointError(f"there is no model {str(name)!r}: give a folder with {MANIFEST}, or one of: {known}")
