"""The small networks of the stored end-to-end runs, and stage 2 with its calls written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import soundfile
import torch
from torch import Tensor

import ar.convert
import sovits.convert
from ar import Text2SemanticDecoder
from feature_extractor.audio import sinc_resample
from feature_extractor.hubert import Hubert, load_hubert
from gpt_sovits.pipeline.parts import Parts
from sovits import Synthesizer
from tests.golden_data import ROOT, fill, float32, gauss, waveform, weights

HUBERT = {
    "model_type": "hubert",
    "hidden_size": 768,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "conv_dim": [32] * 7,
}


class Recorded:
    """A synthesizer that notes each decode call and takes its noise from the stored draws."""

    def __init__(self, inner: Synthesizer, case: str, shapes: list[list[int]]) -> None:
        self.inner, self.config = inner, inner.config
        self.case, self.shapes = case, shapes
        self.calls: list[dict[str, Any]] = []

    def encode(self, hubert: Tensor) -> Tensor:
        return self.inner.encode(hubert)

    def reference_style(self, references: list[Tensor], speakers: list[Tensor] | None = None) -> Tensor:
        return self.inner.reference_style(references, speakers)

    def decode_batch(self, codes: Tensor, phones: Tensor, references: list[Tensor], **options: Any) -> Tensor:
        self.calls.append(
            {
                "codes": codes[0].tolist(),
                "text": phones[0].tolist(),
                "n_refer": len(references),
                "speed": options["speed"],
            }
        )
        del options["generator"]
        return self.inner.decode_batch(codes, phones, references, noise=self._noise(), **options)

    def decode_streaming(
        self, codes: Tensor, phones: Tensor, references: list[Tensor], **options: Any
    ) -> tuple[Tensor, Tensor]:
        overlap = options["overlap"]
        self.calls.append(
            {
                "codes": codes[0].tolist(),
                "text": phones[0].tolist(),
                "result_length": options["result_length"],
                "overlap": None if overlap is None else list(overlap.shape),
                "padding_length": 0,
            }
        )
        del options["generator"]
        return self.inner.decode_streaming(codes, phones, references, noise=self._noise(), **options)

    def _noise(self) -> Tensor:
        number = len(self.calls)  # draw 0 of every stored run belongs to no call
        return float32(gauss(f"noise/e2e/v2/{self.case}/{number}", tuple(self.shapes[number])))


def golden_parts(folder: Path) -> Parts:
    """Stage 1, stage 2 and content encoder with deterministic weights."""
    s1_table = json.loads((ROOT / "keys" / "s1_small.json").read_text(encoding="utf8"))
    text2semantic = Text2SemanticDecoder(ar.convert.public_config(s1_table["config"]["model"]))
    text2semantic.load_state_dict(ar.convert.from_public(weights("s1_small")))
    s2_table = json.loads((ROOT / "keys" / "s2G_v2_small.json").read_text(encoding="utf8"))
    s2_weights = weights("s2G_v2_small")
    synthesizer = Synthesizer(sovits.convert.config_from_public(s2_table["config"], s2_weights))
    synthesizer.load_state_dict(sovits.convert.from_public(s2_weights))
    return Parts(
        name="golden",
        symbols="v2",
        languages=("en", "zh"),
        device=torch.device("cpu"),
        hubert=_hubert(folder),
        text2semantic=text2semantic.eval(),
        synthesizer=synthesizer.eval(),
    )


def references(folder: Path) -> tuple[Path, Path]:
    """The two stored clips; the second, at 44.1 kHz, is converted by the public implementation's resampler."""
    first, second = folder / "reference.wav", folder / "other.wav"
    soundfile.write(first, waveform("e2e", 128000, 32000), 32000, subtype="FLOAT")
    other = sinc_resample(float32(2.5 * waveform("e2e2", 132400, 44100)), 44100, 32000)
    soundfile.write(second, other.numpy(), 32000, subtype="FLOAT")
    return first, second


def _hubert(folder: Path) -> Hubert:
    from transformers import HubertConfig, HubertModel

    place = folder / "hubert"
    place.mkdir()
    (place / "config.json").write_text(json.dumps(HUBERT), encoding="utf8")
    names = {".parametrizations.weight.original0": ".weight_g", ".parametrizations.weight.original1": ".weight_v"}
    shapes = HubertModel(HubertConfig(**HUBERT)).state_dict()
    published = {_renamed(name, names): tensor for name, tensor in shapes.items()}
    torch.save(fill(published), place / "pytorch_model.bin")
    return load_hubert(place)


def _renamed(name: str, table: dict[str, str]) -> str:
    for old, new in table.items():
        name = name.replace(old, new)
    return name
