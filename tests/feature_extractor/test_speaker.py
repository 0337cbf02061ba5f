"""Kaldi filterbank and speaker embeddings against the public ones."""

from __future__ import annotations

from pathlib import Path

import kaldi_native_fbank
import pytest
import torch
from torch import Tensor

from feature_extractor.campplus import CamPlus, CamPlusConfig
from feature_extractor.eres2net import ERes2NetConfig, infer_config
from feature_extractor.speaker import SpeakerEncoder, fbank, load_speaker, save_speaker
from gpt_sovits.core.errors import AudioError, CheckpointError
from tests.golden_data import assert_close, float32, golden, keys, weights

SMALL = ERes2NetConfig(channels=16, blocks=(1, 1, 1, 1))


def published_weights() -> dict[str, Tensor]:
    counters = {
        name: torch.zeros(shape, dtype=torch.int64)
        for name, (shape, _) in keys("eres2netv2_small").items()
        if name.endswith("num_batches_tracked")
    }
    return {**weights("eres2netv2_small"), **counters}


@pytest.fixture
def published(tmp_path: Path) -> Path:
    torch.save(published_weights(), tmp_path / "speaker.ckpt")
    return tmp_path / "speaker.ckpt"


@pytest.fixture
def encoder(published: Path) -> SpeakerEncoder:
    return load_speaker(published)


def test_filterbank_equals_the_public_one() -> None:
    case = golden("eres2net_small")
    assert_close(fbank(float32(case["wav"])[0]), case["fbank"])


def test_another_scale_of_the_wave_is_noticed() -> None:
    case = golden("eres2net_small")
    with pytest.raises(AssertionError):
        assert_close(fbank(float32(case["wav"])[0] * 32768), case["fbank"])


@torch.no_grad()
def test_embedding_equals_the_public_one(encoder: SpeakerEncoder) -> None:
    case = golden("eres2net_small")
    assert encoder.width == 5120 and not encoder.training
    assert_close(encoder(float32(case["wav"])), case["emb"])


@torch.no_grad()
@pytest.mark.parametrize(
    "name",
    [
        "layer1.0.convs.1.weight",
        "layer4.0.fuse_models.0.local_att.3.bias",
        "layer3_ds.weight",
        "fuse34.local_att.4.bias",
    ],
)
def test_a_changed_layer_is_noticed(tmp_path: Path, name: str) -> None:
    state = published_weights()
    state[name] = state[name] * 1.1
    torch.save(state, tmp_path / "changed.ckpt")
    case = golden("eres2net_small")
    with pytest.raises(AssertionError):
        assert_close(load_speaker(tmp_path / "changed.ckpt")(float32(case["wav"])), case["emb"])


@torch.no_grad()
def test_batch_equals_one_by_one(encoder: SpeakerEncoder) -> None:
    waves = 0.1 * torch.randn(3, 8000, generator=torch.Generator().manual_seed(0))
    together = encoder(waves)
    for i, wave in enumerate(waves):
        assert_close(together[i : i + 1], encoder(wave[None]), tolerance=1e-5)


@torch.no_grad()
def test_own_file_gives_the_same_embedding(tmp_path: Path, encoder: SpeakerEncoder) -> None:
    save_speaker(tmp_path / "speaker.safetensors", encoder)
    wave = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(load_speaker(tmp_path / "speaker.safetensors")(wave), encoder(wave), rtol=0, atol=0)


def test_shape_is_read_off_the_weights() -> None:
    assert infer_config(published_weights(), "it") == SMALL
    with torch.device("meta"):
        state = SpeakerEncoder(ERes2NetConfig()).model.state_dict()
    assert infer_config(state, "it") == ERes2NetConfig() and ERes2NetConfig().embedding == 20480


def test_too_short_a_wave_is_refused(encoder: SpeakerEncoder) -> None:
    assert fbank(torch.zeros(400)).shape == (1, 80)
    with pytest.raises(AudioError, match="25 ms or more"):
        encoder(torch.zeros(1, 399))


def test_bad_files_are_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "text.ckpt").write_text("not weights")
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.ckpt")
    torch.save([1, 2], tmp_path / "list.ckpt")
    short = published_weights()
    del short["layer3_ds.weight"]
    torch.save(short, tmp_path / "short.ckpt")
    cases = {
        "absent.ckpt": "does not exist",
        "text.ckpt": "is a text file",
        "other.ckpt": "does not hold an ERes2NetV2",
        "list.ckpt": "holds no weights",
        "short.ckpt": "lacks layer3_ds.weight",
    }
    for name, words in cases.items():
        with pytest.raises(CheckpointError, match=words) as caught:
            load_speaker(tmp_path / name)
        assert name in str(caught.value)


def test_filterbank_equals_kaldi() -> None:
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = 16000
    options.frame_opts.dither = 0.0
    options.mel_opts.num_bins = 80
    kaldi = kaldi_native_fbank.OnlineFbank(options)
    wave = 0.1 * torch.randn(2, 16000, generator=torch.Generator().manual_seed(3))
    kaldi.accept_waveform(16000, wave[1].tolist())
    kaldi.input_finished()
    expected = torch.stack([torch.from_numpy(kaldi.get_frame(i)) for i in range(kaldi.num_frames_ready)])
    assert_close(fbank(wave)[1], expected.numpy(), tolerance=2e-5)  # float32: processors round differently


def test_a_gradient_reaches_the_wave() -> None:
    wave = 0.1 * torch.randn(1, 4000, generator=torch.Generator().manual_seed(3))
    wave.requires_grad_()
    fbank(wave).sum().backward()
    assert wave.grad is not None and wave.grad.isfinite().all() and wave.grad.abs().sum() > 0


@torch.no_grad()
def test_cam_plus_is_told_from_its_weights(tmp_path: Path) -> None:
    config = CamPlusConfig(maps=4, first=8, growth=4, blocks=(2, 3, 2), embedding=6)
    network = CamPlus(config).eval()
    torch.save(network.state_dict(), tmp_path / "published.pt")
    encoder = load_speaker(tmp_path / "published.pt")
    wave = 0.1 * torch.randn(1, 8000, generator=torch.Generator().manual_seed(3))
    bank = fbank(wave)
    torch.testing.assert_close(encoder(wave), network(bank - bank.mean(1, keepdim=True)))
    save_speaker(tmp_path / "ours.safetensors", encoder)
    torch.testing.assert_close(load_speaker(tmp_path / "ours.safetensors")(wave), encoder(wave))
    assert encoder.config == config and encoder.width == 6
