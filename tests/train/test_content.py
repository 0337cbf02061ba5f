"""Codes behind a Whisper encoder, on a small random one and made-up speech."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
import torch

from ar.reader import load_reader
from feature_extractor.audio import save_audio
from feature_extractor.content import load_content
from feature_extractor.whisper import Whisper, WhisperSettings, save_whisper
from gpt_sovits.core.bundle import find_model
from gpt_sovits.core.errors import CheckpointError, DatasetError
from gpt_sovits.models import new_model
from gpt_sovits.train import content
from gpt_sovits.train.content import ContentConfig, train_content
from sovits import load_sovits

CONFIG = ContentConfig(steps=60, batch=4, warmup=5, quantize_from=20, held_out=2, workers=1, save_every=20)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    new_model(folder, "debug", seed=1)
    width = load_sovits(folder / "s2.safetensors").config.quantizer.width
    torch.manual_seed(0)
    whisper = Whisper(WhisperSettings(layers=1, width=32, heads=2, feed_forward=64, features=width))
    save_whisper(folder / "hubert.safetensors", whisper)
    return folder


@pytest.fixture
def listing(tmp_path: Path) -> Path:
    lines = []
    for k in range(18):
        time = torch.arange(4 * 16000) / 16000
        pitch = 110 + 10 * k + 25 * torch.sin(2 * math.pi * (1 + k % 3) * time)
        phase = 2 * math.pi * torch.cumsum(pitch, 0) / 16000
        wave = sum(torch.sin(h * phase) / h for h in range(1, 3 + k % 5))
        save_audio(tmp_path / f"{k}.wav", 0.2 * wave + 0.01 * torch.randn(len(wave)), 16000)
        lines.append(f"{k}.wav|speaker{k % 2}|en|{['hello', 'good evening', 'one two'][k % 3]}")
    path = tmp_path / "speech.list"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_model_gets_a_projection_and_a_codebook(tmp_path: Path, model: Path, listing: Path) -> None:
    listing.write_text(listing.read_text() + "missing.wav|speaker0|en|not there\n")
    before = load_content(model / "hubert.safetensors")
    train_content(listing, model, CONFIG, tmp_path / "work")
    after = load_content(find_model(model).need("hubert"))
    changed = {name for name, value in after.state_dict().items() if not value.equal(before.state_dict()[name])}
    assert {"project.weight", "project.bias"} <= changed
    synthesizer = load_sovits(find_model(model).need("s2"))
    heard = synthesizer.encode_batch(after(torch.randn(1, 32000)))
    assert heard.shape == (1, 50)
    book = synthesizer.quantizer.codebook
    features = book[None, :5].mT.repeat_interleave(2, dim=-1)
    assert synthesizer.encode_batch(features).tolist() == [[0, 1, 2, 3, 4]]
    reader = load_reader(find_model(model).need("reader"))
    assert torch.equal(reader.book.weight, book.half().float())
    assert all(math.isfinite(cost) for cost in reader.costs([heard[0]], torch.tensor([5, 6])))


def test_too_little_speech_is_said_in_words(tmp_path: Path, model: Path, listing: Path) -> None:
    listing.write_text("".join(listing.read_text().splitlines(keepends=True)[:3]))
    with pytest.raises(DatasetError, match="3 recordings hold too few frames for 1024 codes"):
        train_content(listing, model, CONFIG, tmp_path / "work")


def test_a_stopped_training_goes_on_to_the_same_codes(
    tmp_path: Path, model: Path, listing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    shutil.copytree(model, other)
    train_content(listing, model, CONFIG, tmp_path / "whole")
    halves = tmp_path / "halves"
    halves.mkdir()
    shutil.copy(tmp_path / "whole" / "lessons.pt", halves)
    save = content._save

    def stop(path: Path, trainee: content.Trainee, optimizer: torch.optim.Optimizer, step: int) -> None:
        save(path, trainee, optimizer, step)
        if step == 40:
            raise KeyboardInterrupt

    monkeypatch.setattr(content, "_save", stop)
    with pytest.raises(KeyboardInterrupt):
        train_content(listing, other, CONFIG, halves)
    monkeypatch.setattr(content, "_save", save)
    train_content(listing, other, CONFIG, halves)
    first = load_sovits(model / "s2.safetensors").quantizer.codebook
    assert first.equal(load_sovits(other / "s2.safetensors").quantizer.codebook)
    project = [load_content(folder / "hubert.safetensors").state_dict()["project.weight"] for folder in (model, other)]
    assert project[0].equal(project[1])


def test_a_model_of_another_content_encoder_is_refused(tmp_path: Path, listing: Path) -> None:
    new_model(tmp_path / "model", "debug", seed=1)
    with pytest.raises(CheckpointError, match="holds a hubert model"):
        train_content(listing, tmp_path / "model", CONFIG, tmp_path / "work")
