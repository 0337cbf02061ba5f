"""Every way in which an item can be bad: named with its reason, the others prepared all the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from gpt_sovits.core.errors import AudioError, CheckpointError
from gpt_sovits.core.store import FeatureStore
from prep.checks import clipped_share, load_recording, loudest_frame_db
from prep.config import Limits
from prep.run import prepare
from tests.prep.material import make_list, make_model, reasons, snapshot, voice, write_wav


def broken_hubert(folder: Path) -> Path:
    """A model whose content encoder gives NaN."""
    from feature_extractor.hubert import load_hubert, save_hubert

    make_model(folder)
    path = folder / "hubert.safetensors"
    hubert = load_hubert(path)
    with torch.no_grad():
        hubert.model.feature_projection.projection.bias.fill_(float("nan"))
    save_hubert(path, hubert)
    return folder


def test_every_bad_item_is_named_and_the_others_go_on(tmp_path: Path, model: Path) -> None:
    path = make_list(tmp_path, 2)
    wav = tmp_path / "wav"
    (wav / "empty.wav").touch()
    (wav / "noise.wav").write_bytes(b"this is no audio at all" * 50)
    write_wav(wav / "nothing.wav", np.zeros(0, np.float32))
    write_wav(wav / "silence.wav", np.zeros(40000, np.float32))
    write_wav(wav / "hush.wav", voice() * 0.001)
    write_wav(wav / "clipped.wav", np.clip(voice() * 4, -1, 1))
    write_wav(wav / "short.wav", voice(0.5))
    write_wav(wav / "long.wav", np.tile(voice(), 55), subtype="PCM_16")
    write_wav(wav / "loud.wav", voice() * 4, subtype="FLOAT")
    write_wav(wav / "nan.wav", np.where(np.arange(32000) == 5, np.nan, voice()), subtype="FLOAT")
    write_wav(wav / "mute.wav", voice())
    write_wav(wav / "dots.wav", voice())
    write_wav(wav / "tongue.wav", voice())
    names = ["missing", "empty", "noise", "nothing", "silence", "hush", "clipped", "short", "long", "loud", "nan"]
    lines = [f"wav/{name}.wav|ann|en|Some words to say." for name in names]
    lines += ["wav/mute.wav|ann|en|", "wav/dots.wav|ann|en|...", "wav/tongue.wav|ann|xx|Words.", "wav/v9.wav|ann"]
    path.write_text(path.read_text() + "\n".join(lines) + "\n", encoding="utf8")
    report = prepare(path, tmp_path / "exp", model, device="cpu")
    found = reasons(tmp_path / "exp")
    expected = {
        "missing.wav": "does not exist",
        "empty.wav": "is empty",
        "noise.wav": "cannot be read as audio",
        "nothing.wav": "holds no samples",
        "silence.wav": "is silent",
        "hush.wav": "is silent",
        "clipped.wav": "is clipped",
        "short.wav": "is too short: 0.50 s",
        "long.wav": "is too long: 55.0 s",
        "loud.wav": "is overdriven: its peak is 2.4",
        "nan.wav": "not finite",
        "mute.wav": "the text is empty",
        "dots.wav": "nothing to say",
        "wav/tongue.wav": "the language 'xx'",
        "wav/v9.wav": "has 2 fields",
    }
    assert {name: part for name, part in expected.items() if part not in found.get(name, "")} == {}
    assert found.keys() == expected.keys()
    assert not report.ok and len(report.failures) == len(expected)
    assert list(FeatureStore(tmp_path / "exp").read_semantic()) == ["v0.wav", "v1.wav", "mute.wav", "dots.wav"]
    store = FeatureStore(tmp_path / "exp")
    assert {"v0.wav", "v1.wav"} <= store.read_text().keys() and "dots.wav" not in store.read_text()
    assert sorted(p.name for p in (tmp_path / "exp" / "5-wav32k").iterdir()) == [
        "dots.wav",
        "mute.wav",
        "v0.wav",
        "v1.wav",
    ]


def test_bad_items_are_tried_again_and_reported_again(tmp_path: Path, model: Path) -> None:
    path = make_list(tmp_path, 2)
    (tmp_path / "wav" / "v1.wav").unlink()
    first = prepare(path, tmp_path / "exp", model, device="cpu")
    before = snapshot(tmp_path / "exp")
    second = prepare(path, tmp_path / "exp", model, device="cpu")
    assert first.failures == second.failures and second.computed == 0 and second.unchanged == 1
    assert snapshot(tmp_path / "exp") == before
    write_wav(tmp_path / "wav" / "v1.wav", voice())
    third = prepare(path, tmp_path / "exp", model, device="cpu")
    assert third.ok and third.computed == 1


@pytest.mark.parametrize("half", [False, True])
def test_features_that_are_not_numbers(tmp_path: Path, half: bool) -> None:
    report = prepare(
        make_list(tmp_path, 2), tmp_path / "exp", broken_hubert(tmp_path / "broken"), device="cpu", half=half
    )
    assert [(f.name, f.step) for f in report.failures] == [("v0.wav", "hubert"), ("v1.wav", "hubert")]
    assert "NaN" in report.failures[0].reason
    assert not (tmp_path / "exp" / "4-cnhubert").exists() and not (tmp_path / "exp" / "5-wav32k").exists()
    assert not (tmp_path / "exp" / "6-name2semantic.tsv").exists()


def test_an_unexpected_failure_hurts_one_item_only(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import prep.extract

    plain = prep.extract.prepare_scaling

    def fragile(wave: torch.Tensor, name: str) -> object:
        if name == "v0.wav":
            raise ZeroDivisionError("surprise")
        return plain(wave, name)

    monkeypatch.setattr(prep.extract, "prepare_scaling", fragile)
    report = prepare(make_list(tmp_path, 2), tmp_path / "exp", model, device="cpu")
    assert [(f.name, f.reason) for f in report.failures] == [("v0.wav", "ZeroDivisionError: surprise")]
    assert report.ready["semantic"] == 1


def test_a_missing_model_part_stops_the_run(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "holed")
    (folder / "hubert.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"hubert\.safetensors, which does not exist"):
        prepare(make_list(tmp_path, 1), tmp_path / "exp", folder, device="cpu")
    assert not (tmp_path / "exp").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_damaged_model_part_stops_the_run(tmp_path: Path, workers: int) -> None:
    folder = make_model(tmp_path / "damaged")
    (folder / "hubert.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        prepare(make_list(tmp_path, 3), tmp_path / "exp", folder, device="cpu", workers=workers)
    assert not list((tmp_path / "exp").rglob("*.part"))


def test_length_limits_are_the_ones_training_uses(tmp_path: Path) -> None:
    limits = Limits()
    assert len(load_recording(write_wav(tmp_path / "a.wav", voice(0.6)), limits)) == 19200
    assert len(load_recording(write_wav(tmp_path / "b.wav", np.tile(voice(), 54)[:-1]), limits)) == 54 * 32000 - 1
    with pytest.raises(AudioError, match="too short"):
        load_recording(write_wav(tmp_path / "c.wav", voice(0.599)), limits)
    with pytest.raises(AudioError, match="too long"):
        load_recording(write_wav(tmp_path / "d.wav", np.tile(voice(), 54)), limits)


def test_loud_is_not_clipped(tmp_path: Path) -> None:
    time = torch.arange(44100) / 44100
    sine = torch.sin(2 * torch.pi * 100 * time)
    assert clipped_share((sine * 32767).round() / 32768) < 0.005
    assert clipped_share((sine * 1.5).clamp(-1, 1)) > 0.3
    loud = voice() / np.abs(voice()).max()
    assert clipped_share(torch.from_numpy(loud)) == 0
    write_wav(tmp_path / "loud.wav", loud)
    load_recording(tmp_path / "loud.wav", Limits())


def test_clipping_is_found_at_any_rate_and_in_any_container(tmp_path: Path) -> None:
    for rate in (16000, 44100):
        for suffix in ("wav", "flac"):
            path = tmp_path / f"{rate}.{suffix}"
            soundfile.write(path, np.clip(voice(1.0, rate) * 3, -1, 1), rate)
            with pytest.raises(AudioError, match="clipped"):
                load_recording(path, Limits())


def test_level_of_the_loudest_frame() -> None:
    wave = torch.zeros(32000)
    assert loudest_frame_db(wave, 32000) == float("-inf")
    wave[16000:17600] = 0.1
    assert loudest_frame_db(wave, 32000) == pytest.approx(-20, abs=1e-3)
    assert loudest_frame_db(torch.full((100,), 0.1), 32000) == pytest.approx(-20, abs=1e-3)
