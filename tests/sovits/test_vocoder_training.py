"""Training a generator that ends in a trained vocoder: by the mel spectrogram, with nothing judged."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Trainer
from torch.utils.data import DataLoader

from feature_extractor.audio import load_audio, resample
from feature_extractor.content import load_content
from feature_extractor.speaker import load_speaker
from feature_extractor.whisper import Whisper
from gpt_sovits.core.bundle import find_model
from gpt_sovits.core.config import load_config
from gpt_sovits.core.errors import ConfigError
from sovits.checkpoint import load_sovits
from sovits.config import DiscriminatorConfig, PitchConfig, SynthesizerConfig, VocoderHead
from sovits.listening import ContentListener, MelListener, drawn_voices
from sovits.loss import masked_mel_loss, speaker_loss
from sovits.model import Learned, Synthesizer
from sovits.outputs import SpokenOutput
from sovits.pitch import track_pitch
from sovits.recipe import CosineDecay, LossWeights, SynthesizerTaskConfig
from sovits.segments import length_mask
from sovits.task import SynthesizerTask
from sovits.vocoder import MelVocoder
from tests.sovits.test_task import FRAMES, JUDGES, a_batch, run

Listen = Callable[[torch.Tensor], torch.Tensor]
SMALL = "{kind: vocoder, channels: 32, blocks: {kernels: [3], dilations: [[1]]}}"
CHANGES = ["quantizer.frozen=true", "posterior=null", "flow.couplings=0", "generator.rates=[2]",
           "generator.kernels=[4]", "generator.widths=[16]", "generator.blocks.layers=[1]",
           f"generator.head={SMALL}", "generator.pitch={bins: 16}"]  # fmt: skip
WEIGHTS = LossWeights(mel=45, pitch=5)


def a_task(
    weights: LossWeights = WEIGHTS,
    *changes: str,
    learn: Learned = "all",
    listen: Listen | None = None,
    judges: DiscriminatorConfig = JUDGES,
    hear: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
    **settings: bool | float,
) -> SynthesizerTask:
    torch.manual_seed(0)
    model = Synthesizer(load_config(SynthesizerConfig, "debug/s2", [*CHANGES, *changes]))
    config = SynthesizerTaskConfig(
        discriminator=judges,
        rate=3e-3,
        schedule=CosineDecay(warmup=1, steps=100),
        weights=weights,
        learn=learn,
        clip=50.0,
        **settings,  # type: ignore[arg-type]  # pydantic tells
    )
    return SynthesizerTask(model, config, listen=listen, hear=hear)


def test_the_mel_is_learned_and_the_vocoder_stays() -> None:
    task = a_task()
    before = {name: value.clone() for name, value in task.model.state_dict().items()}
    judges = {name: value.clone() for name, value in task.discriminator.state_dict().items()}
    rows = run(task, 40)
    assert {"train/mel", "train/pitch"} <= set(rows[0])
    assert not {"train/kl", "train/adversarial", "train/feature", "train/discriminator"} & set(rows[-1])
    assert rows[-1]["train/mel"] < 0.8 * rows[0]["train/mel"]
    changed = {name for name, value in task.model.state_dict().items() if not value.equal(before[name])}
    assert not any("vocoder" in name for name in changed)
    assert {"generator.head.project.weight", "prior.exit.weight", "pitch.exit.weight"} <= changed
    assert all(value.equal(judges[name]) for name, value in task.discriminator.state_dict().items())


def test_a_judge_of_mels_takes_part() -> None:
    """It learns to tell predicted mels from real ones, and what it tells reaches the generator."""
    task = a_task(judges=DiscriminatorConfig(mel=True, width=1 / 8))
    before = {name: value.clone() for name, value in task.discriminator.state_dict().items()}
    rows = run(task, 12)
    assert {"train/adversarial", "train/feature", "train/discriminator"} <= set(rows[0])
    assert rows[-1]["train/discriminator"] < rows[0]["train/discriminator"]
    assert not any(value.equal(before[name]) for name, value in task.discriminator.state_dict().items())
    plain = a_task()
    run(plain, 12)
    assert not torch.equal(plain.model.generator.entry.weight, task.model.generator.entry.weight)


def test_a_recording_that_ends_between_frames_is_judged_in_the_same_windows() -> None:
    task = a_task(judges=DiscriminatorConfig(mel=True, width=1 / 8))
    batch = a_batch(task)
    batch = replace(batch, wave=batch.wave[..., :-400])
    output = task._run(task.model, batch)
    assert output.mel is not None and output.wanted is not None and output.wanted.shape[-1] < output.mel.shape[-1]
    real, made = task._pair(batch, output)
    assert real.shape == made.shape == (2, 1, 80, 2 * (FRAMES - 4))


def test_a_part_alone_is_not_taught_without_a_posterior() -> None:
    with pytest.raises(ConfigError, match=r"task\.learn=all"):
        a_task(learn="prior")


def test_no_posterior_and_a_vocoder_go_together() -> None:
    with pytest.raises(ConfigError, match="posterior must be null"):
        load_config(SynthesizerConfig, "debug/s2", [c for c in CHANGES if not c.startswith("posterior")])
    with pytest.raises(ConfigError, match="posterior must be null"):
        load_config(SynthesizerConfig, "debug/s2", ["posterior=null"])


def test_validation_measures_the_mel_that_is_learned() -> None:
    task = a_task()
    batch = a_batch(task)
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    (found,) = trainer.validate(task, DataLoader([batch, batch], batch_size=None), verbose=False)
    with torch.no_grad():
        output = task.model.eval()(
            batch.hubert, batch.spec, batch.spec_lengths, batch.phones, batch.phone_lengths,
            pitch=track_pitch(batch.wave[:, 0], task.model.config.spectrogram, PitchConfig(bins=16)),
        )  # fmt: skip
        loss = masked_mel_loss(task.model.generator.head.target(batch.wave[:, 0]), output.mel, output.mask)
    assert found["val/mel_distance"] == pytest.approx(float(loss), rel=1e-5)


def test_such_a_network_speaks_without_noise() -> None:
    model = a_task().model.eval()
    codes, phones = torch.arange(12), torch.arange(5)
    reference = torch.rand(model.config.spectrogram.bins, 40)
    quiet, loud = (model.decode(codes, phones, [reference], noise_scale=scale, seed=1) for scale in (0.0, 1.0))
    assert quiet.shape == (12 * 1280,) and torch.equal(quiet, loud)


def test_a_voice_is_heard_in_its_mel() -> None:
    """Fitted on some recordings, the listener knows whose voice is in the mel of others."""
    encoder = load_speaker(find_model("tiny").need("speaker")).requires_grad_(False)
    head = MelVocoder(8, VocoderHead())
    waves = [load_audio(path, 32000) for path in sorted(Path("res/evaluate/references").glob("*.opus"))]
    halves = [half for wave in waves for half in wave.chunk(2)]
    listener = MelListener.fit(encoder, head, halves[::2], 32000)
    exact = torch.cat([encoder(resample(half, 32000, 16000)[None]) for half in halves[1::2]])
    heard = torch.cat([listener(head.target(half[None])) for half in halves[1::2]])
    alike = torch.nn.functional.cosine_similarity(exact[:, None], heard[None], dim=-1)
    assert (alike.diag() > 0.6).all() and alike.diag().mean() > alike[~torch.eye(len(alike), dtype=torch.bool)].max()


def test_the_voice_in_the_mel_is_learned() -> None:
    """Rows are heard, in windows of one length inside the shorter one."""
    bands = torch.randn(80, 16, generator=torch.Generator().manual_seed(2))
    heard: list[torch.Size] = []

    def listen(mel: torch.Tensor) -> torch.Tensor:
        heard.append(mel.shape)
        return mel.float().mean(-1) @ bands

    weights = LossWeights(mel=0, pitch=0, speaker=10, speaker_rows=2)
    task = a_task(weights, "speaker=16", listen=listen)
    rows = run(task, 40, speaker=torch.randn(2, 16, generator=torch.Generator().manual_seed(3)))
    assert set(heard) == {torch.Size((2, 80, 2 * (FRAMES - 4)))}
    assert rows[-1]["train/speaker"] < 0.5 * rows[0]["train/speaker"]


def test_what_is_said_is_heard_in_its_mel() -> None:
    """Fitted on some recordings, the listener hears the codes of others in their mel, and other words as other."""
    bundle = find_model("tiny")
    whisper, network = load_content(bundle.need("hubert")), load_sovits(bundle.need("s2"))
    assert isinstance(whisper, Whisper)
    head = MelVocoder(8, VocoderHead())
    waves = [load_audio(path, 32000) for path in sorted(Path("res/evaluate/references").glob("*.opus"))]
    halves = [half for wave in waves for half in wave.chunk(2)]
    listener = ContentListener.fit(whisper, network.content, head, halves[::2], 32000)
    right = said = 0
    for half in halves[1::2]:
        mel = head.target(half[None])
        codes = network.encode_batch(whisper(resample(half, 32000, 16000)[None]))[0]
        heard = network.quantizer.encode(listener.features(mel, mel))[0]
        right += int((codes[: len(heard)] == heard[: len(codes)]).sum())
        said += min(len(codes), len(heard))
        assert float(listener(mel, mel)) == 0
        assert float(listener(mel, mel + 0.1)) < 0.05 < 0.8 < float(listener(mel, mel.flip(-1)))
    assert right > 0.6 * said


def test_what_is_said_is_learned() -> None:
    """The recording's mel and the predicted one are compared in the same windows."""
    seen: list[torch.Size] = []

    def hear(real: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
        seen.extend((real.shape, made.shape))
        return (real.float() - made.float()).square().mean()

    rows = run(a_task(LossWeights(mel=0, pitch=0, content=10, content_rows=1), hear=hear), 40)
    assert set(seen) == {torch.Size((1, 80, 2 * FRAMES))}
    assert rows[-1]["train/content"] < 0.5 * rows[0]["train/content"]


def test_what_is_said_is_heard_at_the_pitch_that_is_told() -> None:
    """The heard mel is the one that speaking makes, and what is wrong with it teaches the pitch."""
    heard: list[torch.Tensor] = []

    def hear(real: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
        heard.append(made.detach())
        return (real.float() - made.float()).square().mean()

    weights = LossWeights(mel=0, pitch=0, content=10, content_rows=1)
    task = a_task(weights, hear=hear, as_spoken=True)
    batch, model = a_batch(task), copy.deepcopy(task.model).eval()
    told = model.pitch.exit.weight.clone()
    rows = run(task, 40)
    assert rows[-1]["train/content"] < 0.5 * rows[0]["train/content"]
    assert not torch.allclose(told, task.model.pitch.exit.weight, rtol=0.01, atol=0)
    made: list[torch.Tensor] = []
    model.generator.head.register_forward_pre_hook(lambda _, given: made.append(given[0]))
    with torch.inference_mode():
        style = model._style(batch.spec, None, None)[:1]
        codes = model.encode_batch(batch.hubert)[:1]
        model.decode_batch(codes, batch.phones[:1], [], style=style)
        spoken = model.generator.head.mel(made[0])
    torch.testing.assert_close(heard[0], spoken[..., : heard[0].shape[-1]], rtol=1e-4, atol=1e-4)

    plain = a_task(weights, hear=hear)
    run(plain, 40)
    assert torch.allclose(told, plain.model.pitch.exit.weight, rtol=0.01, atol=0)  # but for the weight decay


def test_utterances_are_listened_to_in_the_voices_of_others() -> None:
    """What is heard is what speaking the first one's codes in the second one's voice makes; that voice is asked for."""
    heard: list[torch.Tensor] = []
    bands = torch.randn(80, 16, generator=torch.Generator().manual_seed(2))

    def listen(mel: torch.Tensor) -> torch.Tensor:
        heard.append(mel.detach())
        return mel.float().mean(-1) @ bands

    weights = LossWeights(mel=0, pitch=5, speaker=10, speaker_rows=1)
    pitch = "generator.pitch={bins: 16, level: true, level_gain: 1.5}"
    task = a_task(weights, "speaker=16", pitch, listen=listen, as_spoken=True, swapped=1.0)
    torch.nn.init.normal_(task.model.level.entry.weight)
    embeddings = torch.randn(2, 16, generator=torch.Generator().manual_seed(3))
    batch, model = replace(a_batch(task), speaker=embeddings), copy.deepcopy(task.model).eval()
    run(task, 1, speaker=embeddings)
    made: list[torch.Tensor] = []
    model.generator.head.register_forward_pre_hook(lambda _, given: made.append(given[0]))
    with torch.inference_mode():
        mask = length_mask(batch.spec_lengths, FRAMES).float()
        style = model._style(batch.spec, mask, embeddings)[1:]
        model.decode_batch(model.encode_batch(batch.hubert)[:1], batch.phones[:1], [], style=style)
        spoken = model.generator.head.mel(made[0])
    torch.testing.assert_close(heard[0], spoken[..., : heard[0].shape[-1]], rtol=1e-4, atol=1e-4)

    output = task._run(task.model, batch, voices=torch.tensor([1]))
    (found,) = task._misheard(batch, output.spoken.mel, output).values()
    assert float(found) == pytest.approx(10 * float(speaker_loss(embeddings[1:], listen(heard[-1]))), rel=1e-4)


def test_the_pitch_of_another_voice_is_moved_to_its_level() -> None:
    recorded = torch.tensor([[[0.5, 0.0, -0.5], [1.0, 0.0, 1.0]]]).repeat(3, 1, 1)
    spoken = SpokenOutput(recorded, recorded, voices=torch.tensor([2, 1]), rise=torch.tensor([0.25, 0.0]))
    wanted = torch.tensor([[[0.75, 0.0, -0.25], [1.0, 0.0, 1.0]]])
    assert torch.equal(spoken.wanted_pitch(recorded), torch.cat((wanted, recorded[:1])))


def test_voices_are_drawn_as_often_as_asked() -> None:
    torch.manual_seed(0)
    draws = torch.stack([drawn_voices(4, 8, 0.75, torch.device("cpu")) for _ in range(500)])
    others = draws != torch.arange(4)
    assert 0.7 < others.float().mean() < 0.8 and draws.max() == 7
    assert torch.equal(drawn_voices(4, 8, 0.0, torch.device("cpu")), torch.arange(4))
    assert drawn_voices(1, 1, 1.0, torch.device("cpu")).tolist() == [0]


def test_content_is_asked_for_where_it_can_be_heard() -> None:
    with pytest.raises(ConfigError, match=r"task\.weights\.content"):
        a_task(LossWeights(content=1))
