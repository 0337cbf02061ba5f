"""The whole pipeline against stored runs of the public implementation."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gpt_sovits.pipeline import TTS, Audio
from gpt_sovits.pipeline.parts import Parts
from gpt_sovits.pipeline.postprocess import to_int16
from gpt_sovits.pipeline.prompt import read_voice
from gpt_sovits.pipeline.request import Request, parse_request
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


@pytest.mark.parametrize("case", CASES)
def test_run_equals_the_public_one(parts: Parts, clips: tuple[Path, Path], case: str) -> None:
    audio, recorded = speak(parts, clips, case)
    expected = golden("e2e_v2_audio")[case]
    assert recorded.calls == INFO[case]["decode_calls"]
    assert len(audio.samples) == INFO[case]["n_total"]
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
