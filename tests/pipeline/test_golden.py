"""The whole pipeline against stored runs of the public implementation."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sovits.fast
from gpt_sovits.core.lora import Adapter, LoraConfig, Switch, save_adapter
from gpt_sovits.pipeline import TTS, Audio
from gpt_sovits.pipeline.parts import Parts, adapt
from gpt_sovits.pipeline.postprocess import to_int16
from gpt_sovits.pipeline.prompt import read_voice
from gpt_sovits.pipeline.request import Request, parse_request
from sovits.fast import FastGenerator
from tests.golden_data import assert_close, golden, golden_json
from tests.pipeline.golden_model import Recorded, golden_parts, references

CASES = ("parallel_bs2", "naive_bs1", "speed12", "noprompt", "auxref")
INFO = golden_json("e2e_v2_info")
LIMIT = 50
"""Codes after which the stored runs stop."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("golden")


@pytest.fixture(scope="module")
def parts(folder: Path) -> Parts:
    return golden_parts(folder)


@pytest.fixture(scope="module")
def clips(folder: Path) -> tuple[Path, Path]:
    return references(folder)


def wanted(case: str, clips: tuple[Path, Path], **changes: Any) -> Request:
    """The request of a stored run."""
    arguments = INFO[case]["args"]
    values = {
        "text": arguments["text"],
        "language": arguments["text_lang"],
        "reference": clips[0],
        "reference_text": arguments["prompt_text"],
        "reference_language": arguments["prompt_lang"],
        "aux_references": clips[1:] if case == "auxref" else (),
        "cut": arguments["text_split_method"],
        "batch_size": arguments["batch_size"],
        "speed": arguments.get("speed_factor", 1.0),
        "seed": arguments["seed"],
    }
    return parse_request({**values, "top_k": 1, "compat": True, "max_codes": LIMIT, **changes})


def pipeline(parts: Parts, case: str) -> tuple[TTS, Recorded]:
    recorded = Recorded(parts.synthesizer, case, INFO[case]["noise_shapes"])
    return TTS(replace(parts, synthesizer=recorded)), recorded


def speak(parts: Parts, clips: tuple[Path, Path], case: str, **changes: Any) -> tuple[Audio, Recorded]:
    """A stored run through this pipeline."""
    tts, recorded = pipeline(parts, case)
    return tts.run(wanted(case, clips, **changes)), recorded


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """As a model is loaded for speaking on a CPU."""
    parts = golden_parts(tmp_path_factory.mktemp("fast"))
    assert sovits.fast.prepare(parts.synthesizer, torch.float32)
    return parts


@pytest.mark.parametrize("case", CASES)
def test_run_equals_the_public_one(parts: Parts, clips: tuple[Path, Path], case: str) -> None:
    audio, recorded = speak(parts, clips, case)
    expected = golden("e2e_v2_audio")[case]
    assert recorded.calls == INFO[case]["decode_calls"]
    assert len(audio.samples) == INFO[case]["n_total"]
    assert_close(audio.int16[: len(expected)], expected)


@pytest.mark.parametrize("case", CASES)
def test_the_fast_generator_equals_the_public_one(fast: Parts, clips: tuple[Path, Path], case: str) -> None:
    audio, recorded = speak(fast, clips, case)
    expected = golden("e2e_v2_audio")[case]
    assert recorded.calls == INFO[case]["decode_calls"]
    assert_close(audio.int16[: len(expected)], expected)


@pytest.mark.parametrize("case", ["fragment", "stream", "stream_fixed"])
def test_pieces_equal_the_public_ones(parts: Parts, clips: tuple[Path, Path], case: str) -> None:
    tts, recorded = pipeline(parts, case)
    request = wanted(case, clips)
    pieces = list(tts.fragments(request) if case == "fragment" else tts.stream(request, 16, case == "stream"))
    assert recorded.calls == INFO[case]["decode_calls"]
    assert [[tts.rate, len(piece)] for piece in pieces] == INFO[case]["chunks"]
    expected = golden("e2e_v2_audio")[case]
    assert_close(to_int16(np.concatenate(pieces))[: len(expected)], expected)


def test_voice_equals_the_public_one(parts: Parts, clips: tuple[Path, Path]) -> None:
    voice = read_voice(parts, clips[0], clips[1:])
    assert voice.codes.tolist() == INFO["auxref"]["prompt_semantic"]
    for spectrogram, (shape, mean) in zip(voice.spectrograms, INFO["auxref"]["refer"], strict=True):
        assert list(spectrogram.shape) == shape
        assert spectrogram.mean().item() == pytest.approx(mean, rel=1e-4)


def test_a_changed_stage_1_is_noticed(parts: Parts, clips: tuple[Path, Path]) -> None:
    changed = copy.deepcopy(parts.text2semantic)
    with torch.no_grad():
        changed.layers[1].attention.output.weight.mul_(1.5)
    _, recorded = speak(replace(parts, text2semantic=changed), clips, "auxref")
    assert recorded.calls != INFO["auxref"]["decode_calls"]


def test_a_changed_stage_2_is_noticed(parts: Parts, clips: tuple[Path, Path]) -> None:
    changed = copy.deepcopy(parts.synthesizer)
    with torch.no_grad():
        changed.generator.entry.bias.add_(0.01)
    audio, recorded = speak(replace(parts, synthesizer=changed), clips, "auxref")
    assert recorded.calls == INFO["auxref"]["decode_calls"]
    with pytest.raises(AssertionError, match="differs"):
        assert_close(audio.int16, golden("e2e_v2_audio")["auxref"])


def test_one_sentence_needs_no_quirk(parts: Parts, clips: tuple[Path, Path]) -> None:
    """One sentence in one batch: by default it is decoded as the public one decodes it."""
    text = "Hello there, my friend."
    quirky, _ = speak(parts, clips, "auxref", text=text)
    plain, _ = speak(parts, clips, "auxref", text=text, compat=False)
    assert plain.codes == quirky.codes
    np.testing.assert_array_equal(plain.samples, quirky.samples)
    assert plain.warnings and not quirky.warnings


def test_an_adapter_of_the_generator_is_heard_and_taken_off(tmp_path: Path) -> None:
    """The fast form has weights of its own, and is made again when what it was made from has changed."""
    parts = golden_parts(tmp_path)
    network = parts.synthesizer.fuse()
    parts.switches.update({"s1": Switch(parts.text2semantic), "s2": Switch(network)})
    reference = torch.rand(1025, 30, generator=torch.Generator().manual_seed(0))
    shapes = {name: network.get_submodule(name).weight.shape for name in ("prior.content", "generator.entry")}
    found, made = [], []
    for layer in (None, "prior.content", "generator.entry", None):
        path = None
        if layer is not None:
            out, *seen = shapes[layer]
            down, up = torch.full((1, *seen), 0.1), torch.ones(out, 1, 1)
            path = tmp_path / "adapter.safetensors"
            save_adapter(path, "s2", Adapter("x", LoraConfig(rank=1), {layer: down}, {layer: up}), {})
        adapt(parts, {"s1": None, "s2": path})
        made.append(network.generator)
        found.append(network.decode(torch.arange(6), torch.arange(5), [reference], seed=0))
        sovits.fast.undo(network)
        plain = network.decode(torch.arange(6), torch.arange(5), [reference], seed=0)
        network.generator = made[-1]
        torch.testing.assert_close(found[-1], plain, rtol=1e-3, atol=1e-4 * float(plain.abs().max()))
    assert made[0] is made[1] and made[1] is not made[2] and isinstance(made[0], FastGenerator)
    assert torch.equal(found[0], found[3])
    for changed in found[1:3]:
        assert (changed - found[0]).abs().max() > 0.01 * found[0].abs().max()
