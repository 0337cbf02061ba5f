"""How much a voice resembles its reference: cosine of speaker embeddings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from feature_extractor.speaker import load_speaker
from gpt_sovits.core.errors import AudioError, CheckpointError, MissingExtraError
from gpt_sovits.evaluate.item import HEARING_RATE, Card, Clip, Item, Sound, Value
from gpt_sovits.evaluate.locate import checksum, find

SHORTEST = 0.3
"""Seconds below which a voice cannot be told."""
Embed = Callable[[Tensor], Tensor]
"""[w] at 16 kHz to [d]."""
FILES = {
    "campplus": ("campplus_cn_en_common.pt", "campplus*.pt"),
    "eres2netv2": ("eres2netv2*.safetensors", "*eres2netv2*.ckpt", "*eres2netv2*.pt"),
    "wavlm-sv": ("wavlm-sv*.onnx", "wavlm*.onnx"),
}


class Voiceprint:
    """A loaded speaker network; remembers the references it heard."""

    def __init__(self, embed: Embed, card: Card) -> None:
        self._embed = embed
        self.card = card
        self._known: dict[Path, Tensor] = {}

    def of(self, sound: Sound) -> Tensor:
        """Unit-length embedding [d].

        Raises:
            AudioError: too short, or silent.
        """
        if sound.path not in self._known:
            if sound.seconds < SHORTEST:
                raise AudioError(f"{sound.path} lasts {sound.seconds:.2f} s, too short to tell a voice: {SHORTEST} s")
            self._known[sound.path] = self.embed(sound.heard)
        return self._known[sound.path]

    def embed(self, wave: Tensor) -> Tensor:
        """Unit-length embedding of a wave [w] at 16 kHz."""
        with torch.inference_mode():
            return F.normalize(self._embed(wave).float().flatten(), dim=0)

    def forget(self, sound: Sound) -> None:
        self._known.pop(sound.path, None)


class Similarity:
    """Cosine between a clip and its reference, -1 to 1; the column is named after the network."""

    def __init__(self, voiceprint: Voiceprint, column: str = "similarity") -> None:
        self.voiceprint = voiceprint
        self.column = column

    @property
    def card(self) -> Card:
        return self.voiceprint.card

    def score(self, clip: Clip) -> dict[str, Value]:
        if clip.reference is None:
            return {}
        said, reference = self.voiceprint.of(clip.sound), self.voiceprint.of(clip.reference)
        if clip.sound.path != clip.reference.path:
            self.voiceprint.forget(clip.sound)
        return {self.column: float(said @ reference)}

    def failed(self, item: Item) -> dict[str, Value]:
        return {} if item.reference is None else {self.column: 0.0}


def load_voiceprint(name: str, folder: Path | None) -> Voiceprint:
    """A speaker network among the metric models: campplus, eres2netv2 or wavlm-sv.

    Raises:
        CheckpointError: it is not there, or its file does not fit.
    """
    if name not in FILES:
        raise CheckpointError(f"there is no speaker network {name!r}: use {', '.join(FILES)}")
    path = find(FILES[name], folder, f"the speaker network {name}")
    embed, version = _LOADERS[name](path)
    card = Card(measure="similarity", model=path.name, version=version, sha256=checksum(path))
    return Voiceprint(embed, card)


def load_campplus(path: Path) -> tuple[Embed, str]:
    """CAM++ with published weights."""
    encoder = load_speaker(path)
    return lambda wave: encoder(wave[None])[0], "gpt-sovits campplus 1"


def _load_eres2net(path: Path) -> tuple[Embed, str]:
    encoder = load_speaker(path)
    return lambda wave: encoder(wave[None])[0], "gpt-sovits eres2netv2, pooled map"


def _load_onnx(path: Path) -> tuple[Embed, str]:
    """Any network in the ONNX format whose input is a wave [1, w] at 16 kHz and whose first output an embedding."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "eval", f"the network {path.name}") from error
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def embed(wave: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {name: wave[None].numpy()})[0])

    return embed, f"onnxruntime {onnxruntime.__version__}, {HEARING_RATE} Hz"


_LOADERS: dict[str, Callable[[Path], tuple[Embed, str]]] = {
    "campplus": load_campplus,
    "eres2netv2": _load_eres2net,
    "wavlm-sv": _load_onnx,
}
