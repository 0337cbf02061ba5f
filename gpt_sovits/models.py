"""Voice models as folders: making an untrained one, listing those at hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from gpt_sovits.core.bundle import MANIFEST, Bundle, BundleManifest, find_model
from gpt_sovits.core.config import load_config
from gpt_sovits.core.errors import ConfigError
from gpt_sovits.core.files import write_text
from gpt_sovits.core.resources import resource


@dataclass(frozen=True, slots=True)
class Preset:
    """The configurations, under `configs/`, of the parts of a model."""

    hubert: str
    s1: str
    s2: str


PRESETS = {
    "debug": Preset("debug/hubert", "debug/s1", "debug/s2"),
    "tiny": Preset("model/tiny_hubert", "model/tiny_s1", "model/tiny"),
}


def new_model(folder: str | Path, preset: str, seed: int = 1234) -> Bundle:
    """Write an untrained model; equal seeds give equal weights. `model.yaml` is written last.

    Raises:
        ConfigError: an unknown preset, parts that do not fit each other, or a folder that already holds a model.
    """
    if preset not in PRESETS:
        raise ConfigError(f"there is no preset {preset!r}: use one of {', '.join(PRESETS)}")
    target = Path(folder)
    if (target / MANIFEST).exists():
        raise ConfigError(f"{target} already holds a model: choose another folder, or delete it first")
    _write_parts(target, PRESETS[preset], {"preset": preset, "seed": seed})
    manifest = BundleManifest(
        name=target.resolve().name,
        symbols="v2",
        languages=("zh", "en"),
        hubert="hubert.safetensors",
        s1="s1.safetensors",
        s2="s2.safetensors",
        source=f"untrained, preset {preset}, seed {seed}",
    )
    values = manifest.model_dump(mode="json", exclude_none=True)
    write_text(target / MANIFEST, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
    return find_model(target)


def list_models() -> list[Bundle]:
    """The models under `pretrained_models/`, by name."""
    return [find_model(path.parent) for path in sorted(resource("pretrained_models").glob(f"*/{MANIFEST}"))]


def _write_parts(target: Path, preset: Preset, info: dict[str, str | int]) -> None:
    import torch

    from ar import Text2SemanticConfig, Text2SemanticDecoder, save_text2semantic
    from feature_extractor.hubert import HubertSettings, new_hubert, save_hubert
    from sovits import Synthesizer, SynthesizerConfig, save_sovits

    hubert = load_config(HubertSettings, preset.hubert)
    s1 = load_config(Text2SemanticConfig, preset.s1)
    s2 = load_config(SynthesizerConfig, preset.s2)
    if hubert.hidden_size != s2.quantizer.width:
        raise ConfigError(
            f"{preset.hubert} makes features {hubert.hidden_size} wide, but {preset.s2} reads {s2.quantizer.width}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(info["seed"]))
        save_hubert(target / "hubert.safetensors", new_hubert(hubert), info)
        save_text2semantic(target / "s1.safetensors", Text2SemanticDecoder(s1), info, dtype=None)
        synthesizer = Synthesizer(s2)
        # An empty codebook would hear one code only; training starts it anew.
        synthesizer.quantizer.codebook.normal_(std=0.5)
        save_sovits(target / "s2.safetensors", synthesizer, info)
