"""What other programs call."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ar import GenerateOptions, Item, load_text2semantic
from ar.compat import public_panel
from gpt_sovits.core.errors import CheckpointError, InputError
from sovits import load_sovits
from tests.exchange import public_files
from tests.golden_data import assert_close, golden, golden_json, weights
from tests.sovits.public import case, reference


def test_generate(tmp_path: Path) -> None:
    """From a public file in full precision: the codes that the public implementation draws greedily."""
    model = load_text2semantic(public_files.write_s1(tmp_path / "s1.ckpt", dtype=torch.float32))
    stored, cases = golden("s1_small_forward"), golden_json("s1_small_infer")
    n = int(stored["phoneme_lens"][1])
    phones = torch.from_numpy(stored["phoneme_ids"][1, :n])
    bert, prompt = torch.from_numpy(stored["bert"][1][:, :n]), torch.tensor(cases["prompts"][1])
    options = GenerateOptions(top_k=1, max_new_tokens=61, seed=3)
    codes = model.generate(phones, bert, prompt, options)
    assert codes.dtype == torch.long and codes.ndim == 1 and 1024 not in codes
    from ar import generate

    assert torch.equal(codes, generate(model, phones, bert, prompt, options))
    assert torch.equal(model.generate(phones, bert, None, options), generate(model, phones, bert, None, options))


def test_no_code_is_lost_at_the_length_limit(tmp_path: Path) -> None:
    """The public callers take as many codes from the end as the loop counted: one too few at its limit."""
    model = load_text2semantic(public_files.write_s1(tmp_path / "s1.ckpt"))
    phones, prompt = torch.arange(1, 15), torch.arange(7)
    options = GenerateOptions(top_k=1, max_new_tokens=9)
    public, index = public_panel(model, [Item(phones, None, prompt)], options, batched=False)[0]
    ours = model.generate(phones, None, prompt, options)
    assert len(ours) == 9 and index == 8
    assert torch.equal(public[-index:], ours[1:])


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_decode_and_encode(version: str, tmp_path: Path) -> None:
    """From a public file in full precision: the waveform and the codes of the public implementation."""
    name = f"s2G_{version}_small"
    model = load_sovits(public_files.write_s2(tmp_path / "s2.pth", name, torch.float32))
    stored, latent = case(version, "decode"), case(version, "latent")
    wave = model.decode(stored["codes"][0, 0], stored["text"][0], [reference()[0]], noise_scale=0.0)
    assert_close(wave[None, None], stored["wav_ns0"])
    assert torch.equal(model.encode(latent["hubert"]), latent["codes"][0, 0])
    one, same, other = (
        model.decode(stored["codes"][0, 0], stored["text"][0], [reference()[0]], seed=s) for s in (1, 1, 2)
    )
    assert torch.equal(one, same) and not torch.equal(one, other)
    fused = load_sovits(tmp_path / "s2.pth", fuse=True)
    assert_close(fused.decode(stored["codes"][0, 0], stored["text"][0], [reference()[0]], noise_scale=0.0), wave)


def test_wrong_inputs_are_sentences(tmp_path: Path) -> None:
    model = load_sovits(public_files.write_s2(tmp_path / "s2.pth"))
    codes, phones, voice = torch.arange(4), torch.arange(5), [torch.rand(1025, 30)]
    for wrong, words in (
        ((codes[None], phones, voice), "codes must be a row of numbers in 0 to 1023"),
        ((codes + 1024, phones, voice), "codes must be a row"),
        ((codes, phones + 732, voice), "phones must be a row of numbers in 0 to 731"),
        ((codes, phones, []), r"references must be one or more spectrograms \[1025, f\]"),
        ((codes, phones, [torch.rand(704, 30)]), "references must be"),
        ((codes, phones, voice, [torch.rand(20480)]), "needs no speaker embeddings"),
    ):
        with pytest.raises(InputError, match=words):
            model.decode(*wrong)
    with pytest.raises(InputError, match="speed must be above 0"):
        model.decode(codes, phones, voice, speed=0)
    with pytest.raises(InputError, match=r"content features must be \[1, 768, 2 or more\]"):
        model.encode(torch.rand(2, 768, 9))


def test_half_precision_speaks_nearly_the_same(tmp_path: Path) -> None:
    path = public_files.write_s2(tmp_path / "s2.pth", dtype=torch.float32)
    stored = case("v2", "decode")
    inputs = (stored["codes"][0, 0], stored["text"][0], [reference()[0]])
    expected = load_sovits(path).decode(*inputs, noise_scale=0.0)
    for dtype, tolerance in (("float16", 0.02), ("bfloat16", 0.1)):
        model = load_sovits(path, fuse=True, dtype=dtype)
        assert all(p.dtype == getattr(torch, dtype) for p in model.parameters())
        wave = model.decode(*inputs, noise_scale=0.0)
        assert wave.dtype == torch.float32
        assert_close(wave, expected, tolerance)


def test_half_precision_of_stage_1(tmp_path: Path) -> None:
    model = load_text2semantic(public_files.write_s1(tmp_path / "s1.ckpt"), dtype="float16")
    codes = model.generate(torch.arange(9), torch.zeros(1024, 9), None, GenerateOptions(top_k=1, max_new_tokens=20))
    assert len(codes) == 20 and model.head.weight.dtype == torch.float16


def test_stages_are_not_confused(tmp_path: Path) -> None:
    s1, s2 = public_files.write_s1(tmp_path / "a.pth"), public_files.write_s2(tmp_path / "b.pth")
    with pytest.raises(CheckpointError, match=r"no stage 2 network|not complete"):
        load_sovits(s1)
    with pytest.raises(CheckpointError, match="not a parameter of a text-to-semantic model"):
        load_text2semantic(s2)
    assert weights("s1_small").keys() == public_files.filled("s1_small").keys()
