"""What a style is made of, and what is made of it to speak with."""

from __future__ import annotations

import torch

from gpt_sovits.core.config import load_config
from gpt_sovits.core.device import generator
from sovits.config import SynthesizerConfig
from sovits.model import Synthesizer
from tests.sovits.test_task import run
from tests.sovits.test_vocoder_training import CHANGES, WEIGHTS, a_task

GAINED = "style.gain=1.5"
LEVELLED = "generator.pitch={bins: 16, level: true}"


def a_model(*changes: str) -> Synthesizer:
    torch.manual_seed(0)
    return Synthesizer(load_config(SynthesizerConfig, "debug/s2", [*CHANGES, LEVELLED, *changes])).eval()


def test_a_voice_is_spoken_further_from_the_average_than_it_is() -> None:
    """Its level stays."""
    plain, gained = a_model(), a_model(GAINED)
    average = torch.randn(plain.config.style.width, 1, generator=generator(1))
    gained.load_state_dict({**plain.state_dict(), "style.average": average})
    references = [torch.rand(1, plain.config.spectrogram.bins, 40, generator=generator(seed)) for seed in (2, 3)]
    own, spoken = plain.reference_style(references)[0], gained.reference_style(references)[0]
    torch.testing.assert_close(spoken[:-1] - average, 1.5 * (own[:-1] - average))
    assert torch.equal(spoken[-1], own[-1])
    assert "style.average" not in plain.state_dict()


def test_the_average_is_of_the_voices_of_the_training() -> None:
    """Training itself hears every voice as it is."""
    task = a_task(WEIGHTS, LEVELLED, GAINED)
    met: list[torch.Tensor] = []
    noted = task.model.style.noted
    task.model.style.noted = lambda style: (met.append(style.detach()), noted(style))[1]  # type: ignore[method-assign]
    task.model.style.average.fill_(5.0)
    run(task, 3)
    wanted = torch.full_like(task.model.style.average, 5.0)
    for style in met:
        wanted.lerp_(style.mean(0)[:-1], 0.01)
    assert len(met) >= 3
    torch.testing.assert_close(task.model.style.average, wanted)
    still = a_task(WEIGHTS, LEVELLED, GAINED)
    still.model.style.requires_grad_(False)
    run(still, 2)
    assert not still.model.style.average.any()
    plain = a_task(WEIGHTS, LEVELLED)
    run(plain, 3)
    torch.testing.assert_close(task.model.generator.entry.weight, plain.model.generator.entry.weight)
