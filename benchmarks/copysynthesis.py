"""How well stage 2 alone gives recordings back: from their own codes, text and sound, as in validation.

    python -m benchmarks.copysynthesis MODEL PREPARED_FOLDER OUT_FOLDER

Writes a wav for each recording, for `gpt-sovits evaluate wavs`, and prints the mean distance of log-mel spectrograms.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import torch

from feature_extractor.audio import save_audio
from feature_extractor.spectral import MelConfig, mel_spectrogram
from gpt_sovits.core.bundle import find_model
from sovits import load_sovits
from sovits.data import SynthesizerDataModule
from sovits.loss import mel_loss
from sovits.recipe import SynthesizerDataConfig
from sovits.survey import Needs

MEL = MelConfig(bands=128)


@torch.inference_mode()
def main(model: str, folder: str, out: str) -> None:
    bundle = find_model(model)
    network = load_sovits(bundle.need("s2"), fuse=True)
    config = SynthesizerDataConfig(batch_size=1, validation_items=0, on_fault="drop")
    data = SynthesizerDataModule(Path(folder), config, Needs.of(network.config, bundle.manifest.symbols))
    data.setup("fit")
    distances = []
    for number, batch in enumerate(data.train_dataloader()):
        codes, source = network.encode_batch(batch.hubert), torch.Generator().manual_seed(number)
        speaker = None if batch.speaker is None else [batch.speaker]
        wave = network.decode_batch(codes, batch.phones, [batch.spec], speaker, generator=source)
        length = min(wave.shape[-1], batch.wave.shape[-1])
        real, fake = (mel_spectrogram(w[:, :length], MEL) for w in (batch.wave[:, 0], wave))
        distances.append(float(mel_loss(real, fake)))
        save_audio(Path(out) / f"{Path(batch.names[0]).stem}.wav", wave[0], network.config.spectrogram.rate)
    deviation = statistics.stdev(distances) / len(distances) ** 0.5
    print(f"{model}: mel distance {statistics.mean(distances):.4f} +- {deviation:.4f} over {len(distances)} recordings")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:4])
