"""Audio files in and out, sampling rates, and the level rules of data preparation and of reference clips."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
import torch.nn.functional as F
from torch import Tensor

from gpt_sovits.core.errors import AudioError
from gpt_sovits.core.files import atomic_path

PREPARED_RATE = 32000
HUBERT_RATE = 16000
MAX_PEAK = 2.2
"""Recordings (floating point) that exceed full scale by more than this are refused by data preparation."""

_FORMATS = {"wav": "PCM_16", "flac": "PCM_16", "ogg": "VORBIS"}
_BLOCK = 1 << 16


def load_audio(path: str | Path, rate: int, published: bool = False) -> Tensor:
    """Read any file that libsndfile knows (wav, flac, ogg, mp3, aiff …) as mono at `rate` Hz.

    Channels are averaged. The format is told from the content, whatever the suffix.

    Args:
        published: change the rate as the public implementation does for reference clips, by `sinc_resample`.

    Returns:
        [w] float32, full scale at 1; a floating-point file may exceed it.

    Raises:
        AudioError: the file is missing, empty, not audio, holds no samples, or samples that are not numbers.
    """
    path = Path(path)
    samples, source = _read(path)
    if samples.shape[0] == 0:
        raise AudioError(f"{path} holds no samples: record or export it again")
    wave = torch.from_numpy(samples.mean(axis=1))
    if not wave.isfinite().all():
        raise AudioError(f"{path} holds samples that are not finite numbers: export it again as 16-bit wav")
    return sinc_resample(wave, source, rate) if published else resample(wave, source, rate)


def save_audio(path: str | Path, wave: Tensor, rate: int, kind: str | None = None) -> None:
    """Write 16-bit mono audio atomically.

    Args:
        wave: [w]; floating point with full scale at 1 (what exceeds it is clipped), or int16 as it is.
        kind: wav, flac or ogg; None: told from the suffix of `path`.

    Raises:
        AudioError: an unknown suffix, or samples that are not numbers.
        StorageError: the file cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".") if kind is None else kind
    if kind not in _FORMATS:
        raise AudioError(f"cannot write {path}: {kind!r} is not a known format; use wav, flac or ogg")
    data = encode_audio(wave, rate, kind, str(path))
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def encode_audio(wave: Tensor, rate: int, kind: str = "wav", name: str = "the audio") -> bytes:
    """The bytes `save_audio` would write."""
    samples = to_int16(wave, name).cpu().numpy()
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", rate, 1, format=kind.upper(), subtype=_FORMATS[kind]) as file:
        for start in range(0, len(samples), _BLOCK):  # libsndfile's Vorbis encoder keeps a whole write on its stack
            file.write(samples[start : start + _BLOCK])
    return buffer.getvalue()


def to_int16(wave: Tensor, name: str = "the audio") -> Tensor:
    """Nearest 16-bit samples of a floating wave, clipped; the inverse of what `load_audio` does to a 16-bit file."""
    if wave.dtype == torch.int16:
        return wave
    if not wave.isfinite().all():
        raise AudioError(f"{name} holds samples that are not finite numbers and was not written")
    return (wave.double() * 32768).round().clamp(-32768, 32767).to(torch.int16)


def resample(wave: Tensor, source: int, target: int) -> Tensor:
    """Change the sampling rate along the last axis with soxr at high quality; ceil(w * target / source) samples.

    It differs from `sinc_resample` near the lower Nyquist frequency. From 22.05 to 16 kHz, soxr passes a tone of
    7.5 kHz at 0.95 of its level and one of 8.5 kHz at 0.001; the short windowed sinc passes them at 0.66 and, as an
    alias, at 0.29. On a broadband test signal the two differ by at most 1.5 % of the peak (1.2 % in root mean square),
    on bright speech at that ratio by 3 to 9 % in root mean square and up to 21 % of the peak, in the sibilants.
    """
    if source == target:
        return wave
    length = math.ceil(wave.shape[-1] * target / source)
    flat = wave.detach().cpu().float().reshape(-1, wave.shape[-1]).T.contiguous().numpy()
    out = torch.from_numpy(soxr.resample(flat, source, target, quality="HQ")).T
    out = F.pad(out, (0, max(0, length - out.shape[-1])))[..., :length]
    return out.reshape(*wave.shape[:-1], length).to(wave.device)


def sinc_resample(wave: Tensor, source: int, target: int) -> Tensor:
    """Change the sampling rate by a sinc of six zero crossings under a squared-cosine window (Smith, 1984).

    Equal to the default resampler of torchaudio, with which the public GPT-SoVITS converts reference clips; use it
    where published features must be met, and `resample` everywhere else.

    Args:
        wave: [..., w].

    Returns:
        [..., ceil(w * target / source)].
    """
    if source == target:
        return wave
    common = math.gcd(source, target)
    old, new = source // common, target // common
    kernel, margin = _sinc_kernel(old, new)
    flat = F.pad(wave.reshape(-1, 1, wave.shape[-1]), (margin, margin + old))
    phases = F.conv1d(flat, kernel.to(wave), stride=old)
    length = math.ceil(wave.shape[-1] * new / old)
    return phases.transpose(1, 2).flatten(1)[:, :length].reshape(*wave.shape[:-1], length)


@dataclass(frozen=True, slots=True)
class ScaledAudio:
    """What data preparation keeps of a recording."""

    stored: Tensor
    """[w] int16 at 32 kHz: the recording at half level mixed with itself normalised to 0.95 of full scale."""
    content: Tensor
    """[w / 2] float32 at 16 kHz: what the content encoder hears."""


def prepare_scaling(wave: Tensor, name: str = "the recording") -> ScaledAudio:
    """Even out recording levels halfway: (0.95 * wave / peak + wave) / 2, as the public GPT-SoVITS does.

    The content encoder gets the same mixture with a scale of 1145.14 for the normalised half only; its group norm makes
    it nearly deaf to level, but published features were made so.

    Args:
        wave: [w] float at 32 kHz.

    Raises:
        AudioError: no samples, silence, or a peak above 2.2 (a damaged floating-point file).
    """
    if wave.numel() == 0:
        raise AudioError(f"{name} holds no samples: record or export it again")
    peak = wave.abs().max().item()
    if peak == 0:
        raise AudioError(f"{name} is silent: every sample is zero; remove it from the list")
    if peak > MAX_PEAK:
        raise AudioError(f"{name} is overdriven: its peak is {peak:.2f} of full scale, at most {MAX_PEAK} is accepted")
    return ScaledAudio(
        stored=_mix(wave, peak, 32768).to(torch.int16),
        content=resample(_mix(wave, peak, 1145.14), PREPARED_RATE, HUBERT_RATE),
    )


def limit_peak(wave: Tensor) -> Tensor:
    """Scale a reference clip that exceeds full scale down, by two at most, as the public GPT-SoVITS does."""
    peak = wave.abs().max().item() if wave.numel() else 0.0
    return wave / min(2.0, peak) if peak > 1 else wave


def _mix(wave: Tensor, peak: float, scale: float) -> Tensor:
    return wave / peak * (0.95 * 0.5 * scale) + 0.5 * scale * wave


def _read(path: Path) -> tuple[np.ndarray, int]:
    """Samples [w, channels] float32 and their rate."""
    if not path.exists():
        raise AudioError(f"the audio file {path} does not exist: check the path")
    if not path.is_file():
        raise AudioError(f"{path} is a folder, not an audio file")
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise AudioError(f"the audio file {path} is empty (0 bytes): copy it again")
            samples, rate = soundfile.read(file.fileno(), dtype="float32", always_2d=True, closefd=False)
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(". ")
        raise AudioError(
            f"{path} cannot be read as audio ({reason}): use a wav, flac, ogg or mp3 file, or convert it with ffmpeg"
        ) from error
    except OSError as error:
        raise AudioError(f"the audio file {path} cannot be opened: {error.strerror or error}") from error
    return samples, int(rate)


def _sinc_kernel(old: int, new: int) -> tuple[Tensor, int]:
    """One filter per output phase [new, 1, taps], and how far it reaches back, in input samples."""
    crossings, rolloff = 6, 0.99
    cutoff = min(old, new) * rolloff
    margin = math.ceil(crossings * old / cutoff)
    taps = torch.arange(-margin, margin + old, dtype=torch.float64) / old
    phases = torch.arange(new, dtype=torch.float64) / new
    time = ((taps[None, :] - phases[:, None]) * cutoff).clamp(-crossings, crossings)
    window = (time * math.pi / crossings / 2).cos().square()
    return (torch.sinc(time) * window * (cutoff / old)).unsqueeze(1).float(), margin
