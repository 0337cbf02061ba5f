"""Distillation of a content encoder, on a small random teacher and made-up speech."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from feature_extractor.audio import save_audio
from feature_extractor.hubert import load_hubert
from gpt_sovits.core.bundle import find_model
from gpt_sovits.core.errors import CheckpointError, DatasetError
from gpt_sovits.models import new_model
from gpt_sovits.train.content import ContentConfig, losses, train_content
from gpt_sovits.train.targets import fit_projection, kmeans, nearest, speaker_means
from gpt_sovits.train.teacher import load_teacher
from sovits import load_sovits

WIDTH, LAYERS = 32, 2


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    source = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=source) * shape[-1] ** -0.5

    weights = {"embed_positions.weight": draw(1500, WIDTH)}
    for name, inputs in (("conv1", 80), ("conv2", WIDTH)):
        weights[f"{name}.weight"], weights[f"{name}.bias"] = draw(WIDTH, inputs, 3), torch.zeros(WIDTH)
    norms = ["layer_norm"]
    for i in range(LAYERS):
        norms += [f"layers.{i}.self_attn_layer_norm", f"layers.{i}.final_layer_norm"]
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            weights[f"layers.{i}.self_attn.{part}.weight"] = draw(WIDTH, WIDTH)
        weights[f"layers.{i}.fc1.weight"], weights[f"layers.{i}.fc2.weight"] = draw(64, WIDTH), draw(WIDTH, 64)
    for name in norms:
        weights[f"{name}.weight"], weights[f"{name}.bias"] = torch.ones(WIDTH), torch.zeros(WIDTH)
    folder = tmp_path / "teacher"
    folder.mkdir()
    save_file(weights, folder / "encoder.safetensors")
    (folder / "config.json").write_text(json.dumps({"encoder_layers": LAYERS, "encoder_attention_heads": 4}))
    return folder


@pytest.fixture
def listing(tmp_path: Path) -> Path:
    lines = []
    for k in range(4):
        time = torch.arange(3 * 16000) / 16000
        pitch = 110 + 40 * k + 25 * torch.sin(2 * math.pi * (1 + k) * time)
        wave = 0.3 * torch.sin(2 * math.pi * torch.cumsum(pitch, 0) / 16000)
        save_audio(tmp_path / f"{k}.wav", wave + 0.01 * torch.randn(len(wave)), 16000)
        lines.append(f"{k}.wav|speaker{k % 2}|en|hello")
    path = tmp_path / "speech.list"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_bundle_gets_an_encoder_and_its_codebook(tmp_path: Path, teacher: Path, listing: Path) -> None:
    model = tmp_path / "model"
    new_model(model, "debug", seed=1)
    codes = load_sovits(model / "s2.safetensors").config.quantizer.codes
    before = load_hubert(model / "hubert.safetensors").state_dict()
    config = ContentConfig(minutes=0.02, crops=(40,), batch_frames=80, sample=4, warmup=1, bfloat16=False)
    if codes > 4 * 75:
        with pytest.raises(DatasetError, match="too few"):
            train_content(listing, teacher, model, config, tmp_path / "work")
        listing.write_text(listing.read_text() * (codes // 300 + 1))
        config = config.model_copy(update={"sample": 100})
    train_content(listing, teacher, model, config, tmp_path / "work")
    encoder = load_hubert(find_model(model).need("hubert"))
    assert any(not torch.equal(before[k], v.to(before[k])) for k, v in encoder.state_dict().items())
    synthesizer = load_sovits(find_model(model).need("s2"))
    book = synthesizer.quantizer.codebook
    features = book[None, :5].mT.repeat_interleave(2, dim=-1)
    assert synthesizer.encode_batch(features).tolist() == [[0, 1, 2, 3, 4]] or len(torch.unique(book, dim=0)) < len(
        book
    )


def test_a_folder_without_a_teacher_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a Whisper encoder"):
        load_teacher(tmp_path)


def test_teacher_makes_fifty_frames_a_second(teacher: Path) -> None:
    assert load_teacher(teacher)(torch.randn(32000)).shape == (100, WIDTH)


def test_targets_hold_no_speaker_offset() -> None:
    source = torch.Generator().manual_seed(0)
    content = torch.randn(400, 8, generator=source)
    offset = {"a": torch.full((8,), 5.0), "b": torch.full((8,), -5.0)}
    heard = [(s, content + offset[s]) for s in "ab"]
    projection = fit_projection(heard, speaker_means(heard, 0), 4)
    torch.testing.assert_close(projection.frames(*heard[0][::-1]), projection.frames(*heard[1][::-1]))
    assert projection.pairs(heard[0][1], "a").norm(dim=-1).sub(1).abs().max() < 1e-5


def test_kmeans_finds_separate_clusters() -> None:
    source = torch.Generator().manual_seed(0)
    centres = torch.eye(6) * 10
    points = centres.repeat(50, 1) + 0.1 * torch.randn(300, 6, generator=source)
    found = kmeans(points, 6, seed=3)
    assert len(set(nearest(centres, found).tolist())) == 6


def test_perfect_student_has_no_loss() -> None:
    centres = torch.eye(4)
    codes = torch.tensor([[0, 3, 2]])
    frames = centres[codes].repeat_interleave(2, dim=1)
    distance, _, agreement = losses(frames * 2, frames, codes, centres, sharpness=12.0)
    assert distance.abs() < 1e-6 and agreement == 1
