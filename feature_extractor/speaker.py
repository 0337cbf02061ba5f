"""Speaker embeddings of models with a speaker branch: Kaldi filterbank, then ERes2NetV2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kaldi_native_fbank as knf
import torch
from torch import Tensor, nn

from feature_extractor.audio import HUBERT_RATE
from feature_extractor.eres2net import ERes2NetConfig, ERes2NetV2, infer_config
from gpt_sovits.core.checkpoint import load_checkpoint, load_weights, save_checkpoint
from gpt_sovits.core.config import parse_config
from gpt_sovits.core.errors import AudioError
from gpt_sovits.core.foreign import read_foreign, state_dict

KIND = "speaker"
RATE = HUBERT_RATE


class SpeakerEncoder(nn.Module):
    """A 16 kHz waveform to one embedding of the voice in it."""

    def __init__(self, config: ERes2NetConfig) -> None:
        super().__init__()
        self.config = config
        self.model = ERes2NetV2(config)

    @property
    def width(self) -> int:
        """Length of an embedding; 20480 for the published network."""
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
        parameter = next(self.parameters())
        banks = torch.stack([fbank(item, self.config.bands) for item in wave]).to(parameter)
        return self.model(banks)


def fbank(wave: Tensor, bands: int = 80) -> Tensor:
    """Log filterbank energies as Kaldi computes them: 25 ms Povey windows every 10 ms, pre-emphasis 0.97, no dither.

    Whole windows only; the mean is not subtracted. Unlike Kaldi's convention the wave has full scale at 1, as the
    published speaker network was fed by the public GPT-SoVITS.

    Args:
        wave: [w] at 16 kHz.

    Returns:
        [f, bands] with f = (w - 400) // 160 + 1, on the wave's device.

    Raises:
        AudioError: shorter than one window.
    """
    if wave.shape[-1] < RATE // 40:
        raise AudioError(
            f"{wave.shape[-1] * 1000 / RATE:.1f} ms of audio are too short for a voice; give 25 ms or more"
        )
    options = knf.FbankOptions()
    options.frame_opts.samp_freq = RATE
    options.frame_opts.dither = 0.0
    options.frame_opts.snip_edges = True
    options.mel_opts.num_bins = bands
    computer = knf.OnlineFbank(options)
    computer.accept_waveform(RATE, wave.detach().float().cpu().tolist())
    computer.input_finished()
    rows = [torch.from_numpy(computer.get_frame(i)) for i in range(computer.num_frames_ready)]
    return torch.stack(rows).to(wave.device)


def load_speaker(path: str | Path) -> SpeakerEncoder:
    """A trained encoder in evaluation mode, from the published bare state dict or from our own file.

    Raises:
        CheckpointError: missing, damaged, or not an ERes2NetV2.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        checkpoint = load_checkpoint(path, KIND)
        config, state = parse_config(ERes2NetConfig, checkpoint.config, str(path)), checkpoint.tensors
    else:
        found = state_dict(read_foreign(path).tree, str(path))
        state = {name: t for name, t in found.items() if not name.startswith("seg_1.")}
        config = infer_config(state, str(path))
    encoder = SpeakerEncoder(config)
    load_weights(encoder.model, state, str(path))
    return encoder.eval()


def save_speaker(
    path: Path, encoder: SpeakerEncoder, info: dict[str, Any] | None = None, dtype: torch.dtype | None = None
) -> None:
    """Write our own file; tensors keep their published names."""
    save_checkpoint(path, KIND, encoder.config, encoder.model.state_dict(), info, dtype)
