"""How high a voice is on the whole, and what its style makes of it."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from feature_extractor.spectral import SpectrogramConfig, spectrogram
from gpt_sovits.core.config import load_config
from sovits.config import PitchConfig, SynthesizerConfig
from sovits.level import pitch_level
from sovits.model import Synthesizer
from sovits.pitch import SPREAD
from tests.sovits.test_task import FRAMES, run
from tests.sovits.test_vocoder_training import CHANGES, WEIGHTS, a_task

FRAMING, CONFIG = SpectrogramConfig(), PitchConfig()


def voiced(frequency: float, seconds: float = 1.0) -> torch.Tensor:
    """A tone with harmonics, 10 dB above a noise."""
    time = torch.arange(int(32000 * seconds)) / 32000
    tone = 0.1 * torch.stack([torch.sin(2 * math.pi * k * frequency * time) / k for k in range(1, 12)]).sum(0)
    noise = torch.randn(len(tone), generator=torch.Generator().manual_seed(0))
    return tone + noise * tone.square().mean().sqrt() / 10**0.5


def hertz(wave: torch.Tensor) -> float:
    level = pitch_level(spectrogram(wave[None], FRAMING), None, FRAMING, CONFIG)
    return float((level[0] * SPREAD + CONFIG.middle).exp())


@pytest.mark.parametrize("frequency", [75.0, 130.0, 240.0, 420.0])
def test_the_level_is_heard_at_any_loudness_beside_silence_and_noise(frequency: float) -> None:
    wave = torch.cat((torch.zeros(40000), voiced(frequency), 0.003 * torch.randn(40000)))
    for gain in (1.0, 0.02):
        assert hertz(gain * wave) == pytest.approx(frequency, rel=0.015)


def test_what_has_no_pitch_is_in_the_middle() -> None:
    torch.manual_seed(0)
    for wave in (torch.zeros(32000), 0.1 * torch.randn(32000)):
        assert hertz(wave) == pytest.approx(math.exp(CONFIG.middle))


def test_padding_is_not_heard() -> None:
    spec = torch.cat([spectrogram(voiced(f)[None], FRAMING) for f in (100.0, 300.0)])
    mask = torch.ones(2, 1, spec.shape[-1])
    mask[0, 0, 20:] = 0
    spec[0, :, 20:] = spec[1, :, 20:]
    alone = torch.cat([pitch_level(s, None, FRAMING, CONFIG) for s in (spec[:1, :, :20], spec[1:])])
    torch.testing.assert_close(pitch_level(spec, mask, FRAMING, CONFIG), alone)


def test_the_style_learns_it_and_begins_without() -> None:
    told = [*CHANGES, "generator.pitch={bins: 16, level: true}"]
    torch.manual_seed(0)
    plain = Synthesizer(load_config(SynthesizerConfig, "debug/s2", CHANGES)).eval()
    model = Synthesizer(load_config(SynthesizerConfig, "debug/s2", told)).eval()
    model.load_state_dict(plain.state_dict(), strict=False)
    references = [spectrogram(voiced(f)[None], FRAMING) for f in (100.0, 300.0)]
    assert model.level is not None
    torch.testing.assert_close(model.level.told(model.reference_style(references)), plain.reference_style(references))
    torch.nn.init.ones_(model.level.entry.weight)
    low, high = (model.level.told(model.reference_style([r])) - plain.reference_style([r]) for r in references)
    torch.testing.assert_close(high - low, torch.full_like(low, math.log(3) / SPREAD), rtol=0.02, atol=0)

    task = a_task(WEIGHTS, "generator.pitch={bins: 16, level: true}")
    run(task, 3, spec=torch.cat(references)[..., :FRAMES])
    assert task.model.level is not None and task.model.level.entry.weight.any()


def test_a_gain_moves_the_pitch_that_is_told_and_nothing_else() -> None:
    """Of two voices of one timbre it tells the pitches further apart; what the latent is stays."""
    torch.manual_seed(0)
    model = Synthesizer(
        load_config(SynthesizerConfig, "debug/s2", [*CHANGES, "generator.pitch={bins: 16, level: true}"])
    )
    assert model.level is not None and model.pitch is not None
    torch.nn.init.ones_(model.level.entry.weight)
    more = copy.deepcopy(model)
    assert more.level is not None
    more.level.pitch = more.level.pitch.model_copy(update={"level_gain": 3.0})
    given: dict[str, list[torch.Tensor]] = {"pitch": [], "latent": [], "style": []}
    for each in (model.eval(), more.eval()):
        each.pitch.register_forward_pre_hook(lambda _, inputs: given["pitch"].append(inputs[2]))
        each.generator.register_forward_pre_hook(lambda _, inputs: given["latent"].append(inputs[0]))
        each.generator.register_forward_pre_hook(lambda _, inputs: given["style"].append(inputs[1]))
        reference = spectrogram(voiced(300.0)[None], FRAMING)
        each.decode_batch(torch.arange(6)[None], torch.arange(3)[None], [reference])
    once, thrice = given["pitch"]
    level = pitch_level(spectrogram(voiced(300.0)[None], FRAMING), None, FRAMING, CONFIG)
    torch.testing.assert_close(thrice - once, (2 * level).expand_as(once[..., 0])[..., None])
    assert torch.equal(*given["latent"]) and torch.equal(*given["style"])
