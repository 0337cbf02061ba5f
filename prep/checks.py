"""Loading a recording and refusing, in words, what nobody should train on."""

from __future__ import annotations

import math
from pathlib import Path

import soundfile
from torch import Tensor

from feature_extractor.audio import PREPARED_RATE, load_audio, resample
from gpt_sovits.core.errors import AudioError
from prep.config import Limits

_FULL_SCALE = 0.99


def load_recording(path: Path, limits: Limits) -> Tensor:
    """Read a recording as [w] float mono at 32 kHz.

    Clipping is looked for at the file's own rate: resampling rounds off the flat tops that betray it.

    Raises:
        AudioError: missing, empty, unreadable, too short, too long, silent or clipped.
    """
    try:
        header = soundfile.info(str(path))
    except (soundfile.LibsndfileError, OSError):
        return load_audio(path, PREPARED_RATE)  # tells missing, empty and foreign files apart
    check_length(path.name, header.frames / header.samplerate, limits)  # before hours of audio are decoded
    wave = load_audio(path, header.samplerate)
    check_length(path.name, len(wave) / header.samplerate, limits)
    check_level(path.name, wave, header.samplerate, limits)
    return resample(wave, header.samplerate, PREPARED_RATE)


def check_length(name: str, seconds: float, limits: Limits) -> None:
    """Refuse what the training code cannot use."""
    if 0 < seconds < limits.min_seconds:
        raise AudioError(f"{name} is too short: {seconds:.2f} s, at least {limits.min_seconds} s are needed")
    if seconds >= limits.max_seconds:
        raise AudioError(
            f"{name} is too long: {seconds:.1f} s, it must be below {limits.max_seconds:g} s; cut it with prep slice"
        )


def check_level(name: str, wave: Tensor, rate: int, limits: Limits) -> None:
    """Refuse silence and clipping; `wave` is [w] at the file's own rate."""
    loudest = loudest_frame_db(wave, rate)
    if loudest < limits.silence_db:
        raise AudioError(
            f"{name} is silent: its loudest 50 ms reach {loudest:.0f} dB of full scale, {limits.silence_db:.0f} dB are "
            "needed; record it louder or remove it from the list"
        )
    share = clipped_share(wave)
    if share > limits.clipped_share:
        raise AudioError(
            f"{name} is clipped: {share:.1%} of its samples sit flat at full scale, {limits.clipped_share:.1%} are "
            "tolerated; record it at a lower level"
        )


def loudest_frame_db(wave: Tensor, rate: int) -> float:
    """Root-mean-square level of the loudest 50 ms, in dB of full scale; -inf for digital silence."""
    size = max(1, min(len(wave), rate // 20))
    power = wave[: len(wave) // size * size].reshape(-1, size).square().mean(dim=1).max().item()
    return 10 * math.log10(power) if power > 0 else -math.inf


def clipped_share(wave: Tensor) -> float:
    """Share of samples at full scale that equal a neighbour: a loud but whole wave peaks there without a plateau."""
    level = wave.abs()
    flat = (wave[1:] == wave[:-1]) & (level[1:] >= _FULL_SCALE)
    return (flat.sum().item() + 1) / len(wave) if flat.any() else 0.0
