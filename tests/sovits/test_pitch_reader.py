"""A pitch that is told from the phones too, by way of everything that speaks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gpt_sovits.core.config import load_config
from gpt_sovits.core.device import generator
from gpt_sovits.core.errors import ConfigError
from sovits.config import SynthesizerConfig
from sovits.model import Synthesizer
from sovits.pitch import PitchPredictor, PitchReader, pitch_loss
from sovits.together import Together
from tests.sovits.test_task import a_batch, run
from tests.sovits.test_vocoder_training import CHANGES, WEIGHTS, a_task

READS = ["follow_text=true", "generator.pitch={bins: 16, blocks: 2}"]
SIZES = [(9, 4), (3, 11), (14, 6)]


@pytest.fixture(scope="module")
def model() -> Synthesizer:
    """Untrained weights with biases everywhere, so that padding would be heard."""
    torch.manual_seed(0)
    model = Synthesizer(load_config(SynthesizerConfig, "debug/s2", [*CHANGES, *READS])).eval()
    assert isinstance(model.pitch, PitchReader)
    with torch.no_grad():
        model.quantizer.codebook.normal_(generator=generator(5))
        for name, value in model.named_parameters():
            if name.endswith("bias"):
                value.normal_(std=0.1)
        model.pitch.exit.weight.mul_(30)
    return model.fuse()


def sentences(model: Synthesizer) -> list[tuple[Tensor, Tensor]]:
    source = generator(1)
    codes, phones = model.config.quantizer.codes, model.config.phonemes
    return [
        (torch.randint(codes, (t,), generator=source), torch.randint(phones, (n,), generator=source)) for t, n in SIZES
    ]


def test_a_tone_that_only_the_phone_knows_is_learned() -> None:
    torch.manual_seed(0)
    said = torch.randint(4, (8, 40)).repeat_interleave(5, dim=1)
    wanted = torch.stack((said - 1.5, torch.ones_like(said)), dim=1).float()
    features, mask, style = torch.randn(8, 16, 200), torch.ones(8, 1, 200), torch.randn(8, 16, 1)
    left = {}
    for told in (PitchReader(16, 16, 4, 2), PitchPredictor(16, 16)):
        judge = torch.optim.Adam(told.parameters(), 1e-2)
        for _ in range(60):
            read = told.read(features, mask, said) if isinstance(told, PitchReader) else features
            loss = pitch_loss(told(read, mask, style), wanted, mask)
            judge.zero_grad()
            loss.backward()
            judge.step()
        left[type(told)] = loss.item()
    assert left[PitchReader] < 0.3 * left[PitchPredictor]


def test_the_pitch_follows_the_phone_of_its_frames(model: Synthesizer) -> None:
    """Of a sentence whose joint features stay the same."""
    assert isinstance(model.pitch, PitchReader)
    joint, mask, style = torch.randn(1, 16, 80, generator=generator(2)), torch.ones(1, 1, 80), torch.zeros(1, 16, 1)
    said = torch.full((1, 80), 7)
    other = said.clone()
    other[:, 30:40] = 9
    told, otherwise = (model.pitch(model.pitch.read(joint, mask, row), mask, style) for row in (said, other))
    moved = (told - otherwise).abs().amax(1)[0] > 1e-6
    assert moved[30:40].all() and not moved[:20].any() and not moved[50:].any()


@pytest.mark.parametrize("speed", [1.0, 1.3])
def test_sentences_side_by_side_are_told_what_they_are_told_alone(model: Synthesizer, speed: float) -> None:
    """Compared before the vocoder, for which behind a shorter sentence there is silence, and alone nothing."""
    given: list[Tensor] = []
    hook = model.generator.head.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    style = torch.randn(1, model.config.style.width, 1, generator=generator(3))
    Together(model)(sentences(model), style, [generator(i) for i in range(3)], speed=speed)
    for i, (codes, phones) in enumerate(sentences(model)):
        model.decode_batch(codes[None], phones[None], [], style=style, generator=generator(i), speed=speed)
        together, alone = given[0][i, :, : given[-1].shape[-1]], given[-1][0]
        torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    hook.remove()


def test_of_a_growing_sentence_the_phones_are_passed_on(model: Synthesizer) -> None:
    """What one call gives back, the next takes; behind the cross-fade all is as without it."""
    codes, phones = sentences(model)[2]
    style = torch.zeros(1, model.config.style.width, 1)
    _, before = model.decode_streaming(codes[None, :9], phones[None], [], style=style)
    wave, fresh = model.decode_streaming(codes[None], phones[None], [], style=style)
    places = model.places(codes[None], phones[None], ended=False)
    features, mask = model.features(codes[None], phones[None], style, places=places)
    torch.testing.assert_close(fresh, features)
    torch.testing.assert_close(wave, model.voice(features, mask, style, torch.zeros(()), 0.0))
    faded = model.decode_streaming(codes[None], phones[None], [], style=style, overlap=before[..., -4:])[1]
    assert torch.equal(faded[..., 4:], fresh[..., 4:])
    assert (faded[:, model.config.hidden :, :4] - fresh[:, model.config.hidden :, :4]).abs().max() > 0.01


def test_training_teaches_what_the_phones_are_told_as() -> None:
    task = a_task(WEIGHTS, *READS)
    assert isinstance(task.model.pitch, PitchReader)
    before = task.model.pitch.embedding.weight.detach().clone()
    rows = run(task, 30)
    assert rows[-1]["train/pitch"] < 0.7 * rows[0]["train/pitch"]
    moved = (task.model.pitch.embedding.weight.detach() - before).abs().amax(1) > 1e-2
    assert moved[a_batch(task).phones.unique()].any()


def test_a_model_that_does_not_follow_the_text_has_no_phone_to_read() -> None:
    with pytest.raises(ConfigError, match="follow_text"):
        load_config(SynthesizerConfig, "debug/s2", [*CHANGES, READS[1]])
