"""Pictures for the reports: histograms as SVG, spectrograms as PNG, sound as data."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from feature_extractor.audio import encode_audio
from feature_extractor.spectral import MelConfig, mel_spectrogram
from gpt_sovits.core.errors import GPTSoVITSError
from gpt_sovits.evaluate.item import HEARING_RATE, Sound, read_sound

BANDS = MelConfig(rate=HEARING_RATE, n_fft=1024, hop=160, window=640, bands=80)
WIDEST = 480


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A grey picture [height, width] as a PNG file."""
    height, width = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def spectrogram_png(sound: Sound) -> bytes:
    """Log-mel spectrogram, low sounds at the bottom, the loudest black."""
    wave = sound.heard
    if wave.shape[-1] < BANDS.n_fft:
        wave = torch.nn.functional.pad(wave, (0, BANDS.n_fft - wave.shape[-1]))
    bands = mel_spectrogram(wave[None], BANDS)[0].numpy()
    bands = bands[:, :: max(1, -(-bands.shape[1] // WIDEST))]
    shade = np.clip((bands.max() - bands) / 9.0, 0, 1)
    return png((shade[::-1] * 255).astype(np.uint8))


def player(path: Path | None) -> str:
    """An HTML player and spectrogram that carry their data with them; a sentence where there is no sound."""
    if path is None:
        return "<i>no recording</i>"
    try:
        sound = read_sound(path)
        coded = encode_audio(sound.wave.clamp(-1, 1), sound.rate, "ogg", str(path))
    except GPTSoVITSError as error:
        return f"<i>{escape(str(error))}</i>"
    audio, picture = base64.b64encode(coded).decode(), base64.b64encode(spectrogram_png(sound)).decode()
    return (
        f'<audio controls preload="none" src="data:audio/ogg;base64,{audio}"></audio><br>'
        f'<img alt="spectrogram" height="60" src="data:image/png;base64,{picture}">'
    )


def histogram(
    title: str, groups: Mapping[str, Sequence[float]], marks: Mapping[str, float | None], unit: str = "", bins: int = 24
) -> str:
    """Distributions above one axis, as SVG; `marks` are vertical lines with names."""
    lines = {name: value for name, value in marks.items() if value is not None}
    everything = [v for values in groups.values() for v in values] + list(lines.values())
    if not everything:
        return ""
    low, high = min(everything), max(everything)
    high = high if high > low else low + 1
    width, height, base = 460, 150, 120
    counts = {name: np.histogram(values, bins, (low, high))[0] for name, values in groups.items() if len(values)}
    most = max((int(c.max()) for c in counts.values()), default=1) or 1
    parts = [f'<text x="5" y="14" class="title">{escape(title)}</text>']
    step = (width - 20) / bins
    for order, (name, count) in enumerate(counts.items()):
        color = _COLORS[order % len(_COLORS)]
        for i, number in enumerate(count):
            if number:
                tall = number / most * 90
                parts.append(
                    f'<rect x="{10 + i * step:.1f}" y="{base - tall:.1f}" width="{step - 1:.1f}" height="{tall:.1f}" '
                    f'fill="{color}" fill-opacity="0.6"><title>{escape(name)}: {number}</title></rect>'
                )
        parts.append(f'<text x="{200 + order * 130}" y="14" fill="{color}">{escape(name)}</text>')
    for name, value in lines.items():
        x = 10 + (value - low) / (high - low) * (width - 20)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="22" y2="{base}" class="mark"/>')
        anchor = "end" if x > width / 2 else "start"
        parts.append(f'<text x="{x:.1f}" y="30" text-anchor="{anchor}">{escape(name)} {value:.3g}</text>')
    parts.append(f'<line x1="10" x2="{width - 10}" y1="{base}" y2="{base}" class="axis"/>')
    parts.append(f'<text x="10" y="138">{low:.3g}{escape(unit)}</text>')
    parts.append(f'<text x="{width - 10}" y="138" text-anchor="end">{high:.3g}{escape(unit)}</text>')
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}">{"".join(parts)}</svg>'


_COLORS = ("#2563a8", "#c2571a", "#2f8f4e", "#8b3fa8", "#7a7a22")
