"""Voice models as folders: making an untrained one, listing those at hand, removing one."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from gpt_sovits.core.bundle import (
    MANIFEST,
    PARTS,
    Bundle,
    BundleManifest,
    find_model,
    find_shared,
    installed,
    model_places,
)
from gpt_sovits.core.config import load_config
from gpt_sovits.core.errors import CheckpointError, ConfigError, StorageError
from gpt_sovits.core.files import write_text
from gpt_sovits.core.resources import resource

if TYPE_CHECKING:
    from ar import Text2SemanticConfig
    from feature_extractor.hubert import HubertSettings
    from sovits import SynthesizerConfig

SPEAKER = "speaker.safetensors"


@dataclass(frozen=True, slots=True)
class Preset:
    """The configurations, under `configs/`, of the parts of a model."""

    hubert: str | None
    """None: the content encoder is a published Whisper's."""
    s1: str
    s2: str


@dataclass(frozen=True, slots=True)
class Published:
    """Trained parts that a new model takes over; which it needs, its preset says."""

    speaker: Path | None = None
    """Weights of a speaker encoder."""
    whisper: Path | None = None
    """Folder of a Whisper encoder, see `feature_extractor.whisper.import_whisper`."""
    vocoder: Path | None = None
    """Weights of a HiFi-GAN generator."""


PRESETS = {
    "debug": Preset("debug/hubert", "debug/s1", "debug/s2"),
    "tiny": Preset(None, "model/tiny_s1", "model/tiny"),
}


def new_model(folder: str | Path, preset: str, seed: int = 1234, published: Published | None = None) -> Bundle:
    """Write an untrained model; equal seeds give equal weights. `model.yaml` is written last.

    Args:
        published: exactly the trained parts that the preset needs, which are copied.

    Raises:
        ConfigError: an unknown preset, parts that do not fit each other, or a folder that already holds a model.
        CheckpointError: a published part is not what it should be.
    """
    if preset not in PRESETS:
        raise ConfigError(f"there is no preset {preset!r}: use one of {', '.join(PRESETS)}")
    target = Path(folder)
    if (target / MANIFEST).exists():
        raise ConfigError(f"{target} already holds a model: choose another folder, or delete it first")
    parts = _read_configs(PRESETS[preset])
    published = published or Published()
    _check_published(preset, parts, published)
    _write_parts(target, parts, published, {"preset": preset, "seed": seed})
    if published.speaker is not None:
        _copy_speaker(published.speaker, target, parts.s2.speaker)
    manifest = BundleManifest(
        name=target.resolve().name,
        symbols="v2",
        languages=("zh", "en"),
        hubert="hubert.safetensors",
        s1="s1.safetensors",
        s2="s2.safetensors",
        speaker=None if published.speaker is None else SPEAKER,
        source=f"untrained, preset {preset}, seed {seed}",
    )
    values = manifest.model_dump(mode="json", exclude_none=True)
    write_text(target / MANIFEST, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
    return find_model(target)


def list_models() -> list[Bundle]:
    """The models that a name can find, by name."""
    return list(installed())


def describe(bundle: Bundle) -> dict[str, Any]:
    """What a list shows of a model."""
    manifest = bundle.manifest
    return {
        "name": bundle.folder.name,
        "family": manifest.family,
        "symbols": manifest.symbols,
        "languages": list(manifest.languages),
        "folder": str(bundle.folder),
        "bytes": _size(bundle.folder),
        "missing": bundle.missing(),
        "source": manifest.source,
    }


@dataclass(frozen=True, slots=True)
class Removable:
    """A model or a shared part that may be deleted."""

    path: Path
    bytes: int

    def delete(self) -> None:
        """Delete it; it is out of sight at once, even when deleting is interrupted.

        Raises:
            StorageError: the folder is not writable.
        """
        aside = self.path.with_name(f".{self.path.name}.removed")
        try:
            self.path.rename(aside)
            if aside.is_dir():
                shutil.rmtree(aside)
            else:
                aside.unlink()
        except OSError as error:
            raise StorageError(f"cannot remove {self.path}: {error.strerror or error}") from error


def removable(name: str) -> Removable:
    """A model by its name, or `shared:NAME`.

    Raises:
        CheckpointError: there is none, it travels with the code, or another model needs it.
    """
    if name.startswith("shared:"):
        path = find_shared(name.removeprefix("shared:"))
        if path is None:
            raise CheckpointError(f"there is no shared part {name.removeprefix('shared:')!r}")
        _check_unused(name)
        return Removable(path, _size(path))
    folder = find_model(name).folder
    if not any(folder.parent == place for place in model_places()):
        raise CheckpointError(f"{folder} is not in a place of models: delete the folder yourself")
    if folder.parent == resource("pretrained_models") and folder.name in _shipped():
        raise CheckpointError(f"the model {name} travels with the program and stays")
    _check_unused(f"model:{folder.name}")
    return Removable(folder, _size(folder))


def _check_unused(reference: str) -> None:
    users = [
        bundle.manifest.name
        for bundle in installed()
        if any(getattr(bundle.manifest, part) == reference for part in PARTS)
        or (bundle.manifest.base is not None and f"model:{bundle.manifest.base}" == reference)
    ]
    if users:
        raise CheckpointError(f"{reference} is needed by {', '.join(users)}: remove that first")


def _shipped() -> set[str]:
    content = yaml.safe_load(resource("pretrained_models", "manifest.yaml").read_text(encoding="utf8"))
    return set(content["models"])


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


@dataclass(frozen=True, slots=True)
class _Configs:
    hubert: HubertSettings | None
    s1: Text2SemanticConfig
    s2: SynthesizerConfig


def _read_configs(preset: Preset) -> _Configs:
    from ar import Text2SemanticConfig
    from feature_extractor.hubert import HubertSettings
    from sovits import SynthesizerConfig

    hubert = None if preset.hubert is None else load_config(HubertSettings, preset.hubert)
    s2 = load_config(SynthesizerConfig, preset.s2)
    if hubert is not None and hubert.hidden_size != s2.quantizer.width:
        raise ConfigError(
            f"{preset.hubert} makes features {hubert.hidden_size} wide, but {preset.s2} reads {s2.quantizer.width}"
        )
    return _Configs(hubert, load_config(Text2SemanticConfig, preset.s1), s2)


def _check_published(preset: str, parts: _Configs, published: Published) -> None:
    wanted = {
        "speaker": parts.s2.speaker is not None,
        "whisper": parts.hubert is None,
        "vocoder": parts.s2.generator.head.kind == "vocoder",
    }
    for part, needed in wanted.items():
        given = getattr(published, part)
        if needed and given is None:
            raise ConfigError(f"the preset {preset} takes over a trained {part}: give it (--{part} PATH)")
        if given is not None and not needed:
            raise ConfigError(f"the preset {preset} has no {part}: leave {given} out")


def _copy_speaker(source: Path, target: Path, width: int | None) -> None:
    import torch

    from feature_extractor.speaker import load_speaker, save_speaker

    encoder = load_speaker(source)
    if encoder.width != width:
        raise ConfigError(f"{source} makes embeddings of {encoder.width} numbers, but stage 2 reads {width}")
    save_speaker(target / SPEAKER, encoder, {"file": source.name}, torch.int8)


def _write_parts(target: Path, configs: _Configs, published: Published, info: dict[str, str | int]) -> None:
    import torch

    from ar import Text2SemanticDecoder, save_text2semantic
    from feature_extractor.hubert import new_hubert, save_hubert
    from feature_extractor.whisper import import_whisper, save_whisper
    from sovits import Synthesizer, save_sovits
    from sovits.vocoder import import_vocoder

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(info["seed"]))
        if configs.hubert is not None:
            save_hubert(target / "hubert.safetensors", new_hubert(configs.hubert), info)
        if published.whisper is not None:
            whisper = import_whisper(published.whisper, configs.s2.quantizer.width)
            save_whisper(target / "hubert.safetensors", whisper, info, torch.int8)
        save_text2semantic(target / "s1.safetensors", Text2SemanticDecoder(configs.s1), info, dtype=None)
        synthesizer = Synthesizer(configs.s2)
        if published.vocoder is not None:
            import_vocoder(synthesizer.generator.head, published.vocoder)
        # An empty codebook would hear one code only; training starts it anew.
        synthesizer.quantizer.codebook.normal_(std=0.5)
        save_sovits(target / "s2.safetensors", synthesizer, info)
