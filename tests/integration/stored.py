"""What the shipped weights compute on fixed inputs; `python -m tests.integration.stored` writes it anew.

Draws are left out on purpose: one bit of difference between two processors may turn a draw, and everything after it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from ar import Batch, training_loss
from feature_extractor.spectral import MelConfig, mel_spectrogram
from gpt_sovits import TTS
from gpt_sovits.core.resources import resource
from gpt_sovits.pipeline.parts import Parts, load_parts
from gpt_sovits.pipeline.prompt import read_voice
from gpt_sovits.pipeline.text import read_text

STORED = Path(__file__).with_name("stored.npz")
MEL = MelConfig(bands=40)
QUIET = -6.0
"""Log magnitudes below it are not compared: the vocoder's bfloat16, used where a processor has it, shows most there."""


def demo() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(resource("res", "demo", "demo.yaml").read_text(encoding="utf8"))
    return {**content, "reference": resource("res", "demo", content["reference"])}


@torch.inference_mode()
def compute(parts: Parts, codes: list[int]) -> dict[str, NDArray[Any]]:
    """Codes of the demo's reference, cost of saying `codes` after it, and the log-mel of saying them."""
    settings = demo()
    voice = read_voice(parts, settings["reference"])
    said, text = (
        read_text(parts, settings[key], settings[lang], "cut0")[0][0].phones
        for key, lang in (("reference_text", "reference_language"), ("text", "language"))
    )
    phones, new = torch.cat([said, text]), torch.tensor(codes)
    whole = torch.cat([voice.codes, new])
    batch = Batch(phones[None], torch.tensor([len(phones)]), whole[None], torch.tensor([len(whole)]))
    output = training_loss(parts.text2semantic, batch)
    speakers = None if voice.speakers is None else list(voice.speakers)
    wave = parts.synthesizer.decode_batch(
        new[None], text[None], list(voice.spectrograms), speaker_embeddings=speakers, noise_scale=0.0
    )
    return {
        "prompt": voice.codes.numpy(),
        "cost": (output.loss / output.count).numpy(),
        "mel": mel_spectrogram(wave, MEL)[0].clamp(min=QUIET).numpy().astype(np.float16),
    }


def main() -> None:
    settings = demo()
    text = settings.pop("text")
    (codes,) = TTS("tiny").speak(text, **settings).codes
    np.savez_compressed(STORED, codes=np.array(codes, dtype=np.int16), **compute(load_parts("tiny", "cpu"), codes))


if __name__ == "__main__":
    main()
