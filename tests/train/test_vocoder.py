"""A voice model with a vocoder gets a thin one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from gpt_sovits.core.bundle import Bundle, find_model
from gpt_sovits.core.config import load_config
from gpt_sovits.core.errors import ConfigError, DatasetError
from gpt_sovits.train.vocoder import Lesson, ThinConfig, train_vocoder
from sovits import Synthesizer, load_sovits, save_sovits
from sovits.config import SynthesizerConfig
from tests.sovits.test_vocoder_training import CHANGES

CONFIG = ThinConfig(steps=6, batch=2, heard=1, frames=12, pieces=40, held_out=4, save_every=2)


@pytest.fixture
def voice(tmp_path: Path, model: Bundle) -> Path:
    """A model of debug size that ends in a vocoder, untaught."""
    folder = tmp_path / "voice"
    shutil.copytree(model.folder, folder)
    torch.manual_seed(0)
    save_sovits(folder / "s2.safetensors", Synthesizer(load_config(SynthesizerConfig, "debug/s2", CHANGES)))
    return folder


def test_everything_but_the_vocoder_stays(experiment: Path, voice: Path, tmp_path: Path) -> None:
    weights = train_vocoder(experiment, voice, tmp_path / "out", CONFIG, "float32")
    before, after = load_sovits(voice / "s2.safetensors"), load_sovits(weights)
    theirs = before.state_dict()
    kept = {name: value for name, value in after.state_dict().items() if ".head.vocoder." not in name}
    assert len(kept) > 50 and all(value.equal(theirs[name]) for name, value in kept.items())
    assert after.config.generator.head.blocks.narrow == (2, 4, 4, 2)
    assert find_model(tmp_path / "out").manifest.s2 == "s2.safetensors"
    features = torch.randn(1, 16, 8)
    assert after.generator.head(features).shape == before.generator.head(features).shape
    assert len(torch.load(tmp_path / "out" / "checkpoints" / "pieces.pt", weights_only=True)) == 40


def test_a_stopped_training_goes_on_to_the_same_vocoder(
    experiment: Path, voice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load_sovits(train_vocoder(experiment, voice, tmp_path / "whole", CONFIG, "float32")).state_dict()
    save = Lesson.save

    def stop(lesson: Lesson, path: Path) -> None:
        save(lesson, path)
        if lesson.step == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(Lesson, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        train_vocoder(experiment, voice, tmp_path / "halves", CONFIG, "float32")
    monkeypatch.setattr(Lesson, "save", save)
    other = CONFIG.model_copy(update={"narrow": (2,)})
    with pytest.raises(ConfigError, match=r"vocoder\.pt was begun with other settings"):
        train_vocoder(experiment, voice, tmp_path / "halves", other, "float32")
    halves = load_sovits(train_vocoder(experiment, voice, tmp_path / "halves", CONFIG, "float32")).state_dict()
    assert all(value.equal(halves[name]) for name, value in whole.items())


def test_a_model_without_a_vocoder_or_with_a_thin_one_is_refused(
    experiment: Path, model: Bundle, voice: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="does not end in a vocoder"):
        train_vocoder(experiment, model.folder, tmp_path / "out", CONFIG)
    train_vocoder(experiment, voice, tmp_path / "out", CONFIG)
    with pytest.raises(ConfigError, match="has a thin vocoder already"):
        train_vocoder(experiment, tmp_path / "out", tmp_path / "again", CONFIG)


def test_too_little_speech_is_said_in_words(experiment: Path, voice: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="prepare more speech"):
        train_vocoder(experiment, voice, tmp_path / "out", CONFIG.model_copy(update={"held_out": 2000}))
    with pytest.raises(DatasetError, match="prepare longer ones"):
        train_vocoder(experiment, voice, tmp_path / "long", CONFIG.model_copy(update={"frames": 5000}))
