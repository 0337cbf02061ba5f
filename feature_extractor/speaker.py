"""Speaker embeddings of models with a speaker branch: Kaldi filterbank, then ERes2NetV2 or CAM++."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from feature_extractor.audio import HUBERT_RATE
from feature_extractor.campplus import CamPlus, CamPlusConfig
from feature_extractor.campplus import infer_config as infer_campplus
from feature_extractor.eres2net import ERes2NetConfig, ERes2NetV2, infer_config
from gpt_sovits.core.checkpoint import load_checkpoint, load_weights, save_checkpoint
from gpt_sovits.core.config import parse_config
from gpt_sovits.core.errors import AudioError
from gpt_sovits.core.foreign import read_foreign, state_dict
from gpt_sovits.core.skeleton import skeleton

KIND = "speaker"
RATE = HUBERT_RATE
WINDOW, SHIFT, FFT = 400, 160, 512
LOWEST = 20.0


class SpeakerEncoder(nn.Module):
    """A 16 kHz waveform to one embedding of the voice in it."""

    def __init__(self, config: ERes2NetConfig | CamPlusConfig) -> None:
        super().__init__()
        self.config = config
        self.model = ERes2NetV2(config) if isinstance(config, ERes2NetConfig) else CamPlus(config)

    @property
    def width(self) -> int:
        """Length of an embedding: 20480 for the published ERes2NetV2, 192 for the published CAM++."""
        return self.config.embedding

    def forward(self, wave: Tensor) -> Tensor:
        """Embed waves of one common length.

        Args:
            wave: [b, w] at 16 kHz, full scale at 1.

        Returns:
            [b, width].

        Raises:
            AudioError: shorter than one 25 ms window.
        """
        return self.embed(fbank(wave, self.config.bands))

    def embed(self, banks: Tensor) -> Tensor:
        """Embed filterbanks [b, f, bands], see `fbank`."""
        banks = banks.to(next(self.parameters()))
        if isinstance(self.config, CamPlusConfig):
            banks = banks - banks.mean(1, keepdim=True)
        return self.model(banks)


def fbank(wave: Tensor, bands: int = 80) -> Tensor:
    """Log filterbank energies as Kaldi computes them: 25 ms Povey windows every 10 ms, pre-emphasis 0.97, no dither.

    Whole windows only; the mean over time is not subtracted. Unlike Kaldi's convention the wave has full scale at 1, as
    the published speaker networks were fed. Gradients flow through.

    Args:
        wave: [..., w] at 16 kHz.

    Returns:
        [..., f, bands] with f = (w - 400) // 160 + 1.

    Raises:
        AudioError: shorter than one window.
    """
    if wave.shape[-1] < WINDOW:
        raise AudioError(
            f"{wave.shape[-1] * 1000 / RATE:.1f} ms of audio are too short for a voice; give 25 ms or more"
        )
    frames = wave.float().unfold(-1, WINDOW, SHIFT)
    frames = frames - frames.mean(-1, keepdim=True)
    before = torch.cat((frames[..., :1], frames[..., :-1]), -1)
    shaped = (frames - 0.97 * before) * povey_window(frames.device)
    power = torch.fft.rfft(shaped, FFT)[..., :-1].abs().square()
    return (power @ kaldi_filters(bands, frames.device)).clamp(min=torch.finfo(torch.float32).eps).log()


def povey_window(device: torch.device) -> Tensor:
    """[400], a Hann window to the power of 0.85."""
    return torch.hann_window(WINDOW, periodic=False, dtype=torch.float64).pow(0.85).float().to(device)


def kaldi_filters(bands: int, device: torch.device) -> Tensor:
    """[256, bands] triangles of equal height, from 20 Hz to half the rate, straight-sided in mels."""

    def mel(hertz: Tensor) -> Tensor:
        return 1127.0 * (1.0 + hertz / 700.0).log()

    edges = mel(torch.tensor([LOWEST, RATE / 2], dtype=torch.float64))
    step = (edges[1] - edges[0]) / (bands + 1)
    low = edges[0] + step * torch.arange(bands)
    at = mel(torch.arange(FFT // 2, dtype=torch.float64) * RATE / FFT)[:, None]
    return torch.minimum((at - low) / step, (low + 2 * step - at) / step).clamp(min=0).float().to(device)


def load_speaker(path: str | Path) -> SpeakerEncoder:
    """A trained encoder in evaluation mode, from the published bare state dict or from our own file.

    Raises:
        CheckpointError: missing, damaged, or neither an ERes2NetV2 nor a CAM++.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        checkpoint = load_checkpoint(path, KIND)
        state, values = checkpoint.tensors, checkpoint.config
        shape: type[CamPlusConfig | ERes2NetConfig] = CamPlusConfig if "growth" in values else ERes2NetConfig
        config: CamPlusConfig | ERes2NetConfig = parse_config(shape, values, str(path))
    else:
        found = state_dict(read_foreign(path).tree, str(path))
        state = {name: t for name, t in found.items() if not name.startswith("seg_1.")}
        known = any(name.startswith("xvector.") for name in state)
        config = infer_campplus(state, str(path)) if known else infer_config(state, str(path))
    with skeleton():
        encoder = SpeakerEncoder(config)
    load_weights(encoder.model, state, str(path))
    return encoder.eval()


def save_speaker(
    path: Path, encoder: SpeakerEncoder, info: dict[str, Any] | None = None, dtype: torch.dtype | None = None
) -> None:
    """Write our own file; tensors keep their published names."""
    save_checkpoint(path, KIND, encoder.config, encoder.model.state_dict(), info, dtype)
