"""Training of the second stage: a generator and its discriminators, one visible step each."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from zlib import crc32

import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor
from torch.optim import Optimizer

from feature_extractor.spectral import mel_spectrogram, spectrogram_to_mel
from gpt_sovits.core import replicas
from gpt_sovits.core.average import follow
from gpt_sovits.core.device import generator
from gpt_sovits.core.errors import ConfigError
from gpt_sovits.core.health import Health
from gpt_sovits.core.tuning import Tuning, parameter_groups
from sovits.alignment import alignment_loss, watch_cross_attention
from sovits.batch import Batch
from sovits.descent import Descent
from sovits.discriminator import Discriminator
from sovits.listening import drawn_voices, excerpt
from sovits.loss import (
    adversarial_loss,
    discriminator_loss,
    feature_loss,
    kl_loss,
    masked_mel_loss,
    mel_loss,
    speaker_loss,
    spectral_loss,
)
from sovits.model import Synthesizer
from sovits.outputs import TrainingOutput
from sovits.picture import mel_picture
from sovits.piece import Piece, draw
from sovits.pitch import pitch_loss, track_pitch
from sovits.recipe import SynthesizerTaskConfig
from sovits.segments import slice_segments
from sovits.training_state import NetworkState
from sovits.vocoder import MelVocoder

logger = logging.getLogger(__name__)
LEARNED = {"prior": ("prior", "flow", "bridge"), "generator": ("generator",)}
"""Parts of the network that each training of a part teaches."""


class SynthesizerTask(Descent):
    """One generator, its discriminators, their optimizers.

    Args:
        model: the network to train; a frozen quantizer stays untouched.
        discriminator: a trained one to go on with; None: a fresh one.
        steps_per_epoch: batches in one pass over the data, for schedules that count epochs.
        begun: a training elsewhere, of the generator and of the discriminators, whose weights both already have, and
            whose optimizers go on here.
        listen: waves [b, w] at the model's rate, or the mel frames [b, m, f] that the generator's vocoder is given, to
            speaker embeddings [b, e]; needed where their loss has a weight.
        hear: how far what is said in mel frames is from what is said in real ones; needed where that has a weight.
        tuning: learning rates of the network's parts.
        retell: a batch and its codes [b, t] to those that stage 1 would say [b, t]; needed where some are `retold`.
    """

    def __init__(
        self,
        model: Synthesizer,
        config: SynthesizerTaskConfig,
        discriminator: Discriminator | None = None,
        steps_per_epoch: int = 1,
        begun: Sequence[NetworkState] = (),
        listen: Callable[[Tensor], Tensor] | None = None,
        tuning: Tuning | None = None,
        hear: Callable[[Tensor, Tensor], Tensor] | None = None,
        retell: Callable[[Batch, Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.config = config
        self.tuning = Tuning() if tuning is None else tuning
        self.model = model
        self.discriminator = Discriminator(config.discriminator) if discriminator is None else discriminator
        self.average = copy.deepcopy(model).requires_grad_(False).eval() if config.average is not None else None
        self.steps_per_epoch = steps_per_epoch
        self.begun = tuple(begun)
        self.listen = listen
        self.hear = hear
        self.retell = retell
        if config.weights.speaker and (listen is None or model.config.speaker is None):
            raise ConfigError("task.weights.speaker is for models with a speaker encoder: set it to 0 for this one")
        if config.weights.content and (hear is None or self._vocoder is None):
            raise ConfigError(
                "task.weights.content is for models that hear with a Whisper encoder and end in a vocoder: set it to 0 "
                "for this one"
            )
        if config.retold and retell is None:
            raise ConfigError("task.retold needs a stage 1 that tells the codes: set it to 0 for this model")
        if model.config.posterior is None and config.learn != "all":
            raise ConfigError("this model has no posterior and learns as a whole: set task.learn=all")
        self._output: TrainingOutput | None = None
        self._read: Tensor | None = None
        self._judged: slice | None = None
        self.steps = self.begun[0].epochs * steps_per_epoch if begun else 0
        self.health = Health("lower task.rate, or set task.clip", pieces=config.pieces)
        for name, parameter in model.named_parameters():
            learns = config.learn == "all" or name.split(".")[0] in LEARNED[config.learn]
            parameter.requires_grad_(parameter.requires_grad and learns)
        if model.config.quantizer.frozen:
            model.content.requires_grad_(False)
            model.quantizer.requires_grad_(False)

    @property
    def trained(self) -> Synthesizer:
        """What is heard and exported: the moving average where there is one."""
        return self.model if self.average is None else self.average

    @property
    def _vocoder(self) -> MelVocoder | None:
        """A trained vocoder at the generator's end; then there is no wave to be judged, only a mel to be met."""
        head = self.model.generator.head
        return head if isinstance(head, MelVocoder) else None

    @property
    def judged(self) -> bool:
        """Whether the discriminators take part."""
        return self.config.learn != "prior" and (self._vocoder is not None) == self.config.discriminator.mel

    def forget(self) -> None:
        self._output = None

    def configure_optimizers(self) -> list[Optimizer]:
        reads = tuple(f"prior.{part}." for part in ("embedding", "text_encoder", "fusion"))
        named = list(self.model.named_parameters())
        text = [pair for pair in named if pair[0].startswith(reads)]
        rest = [pair for pair in named if not pair[0].startswith(reads)]
        groups = parameter_groups(rest, self.tuning)
        groups += parameter_groups(text, self.tuning, factor=self.config.text_rate)
        judges = {"params": list(self.discriminator.parameters()), "factor": self.config.discriminator_rate}
        optimizers: list[Optimizer] = [self._adam(groups), self._adam([judges])]
        for state, network, optimizer in zip(self.begun, (self.model, self.discriminator), optimizers, strict=False):
            state.restore(network, optimizer)
        return optimizers

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        generator_opt, discriminator_opt = self._scheduled_optimizers()
        self._judged = self._draw_judged()
        draws, faults = draw(batch, self.model.config.inter), []
        if self._judged is not None:
            losses = self._descend(self.discriminator, discriminator_opt, batch, draws, self._judge)
            faults.append(self._step(discriminator_opt, losses, self.discriminator, "discriminator"))
        losses = self._descend(self.model, generator_opt, batch, draws, self._speak)
        faults.append(self._step(generator_opt, losses, self.model, "generator"))
        if any(faults):
            self.health.pass_over(" and the ".join(fault for fault in faults if fault), batch.names)
        else:
            self.health.went_well()
        self.health.settle(self.device)
        self.steps += 1
        if self.average is not None and self.config.average is not None:
            follow(self.average, self.model, self.config.average, self.steps)
        self.log_dict({f"train/{name}": loss for name, loss in losses.items()}, batch_size=len(batch.names))
        if "mel" in losses:
            self.log("train/mel_distance", losses["mel"] / max(self.config.weights.mel, 1e-12), prog_bar=True)

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """How far the scores, of waves [b, 1, w] or mel frames [b, 1, m, f], are from 1 if real and 0 if made."""
        scores = [verdict.score.float().chunk(2) for verdict in self.discriminator(torch.cat([real, fake]))]
        return self._share * discriminator_loss([real for real, _ in scores], [fake for _, fake in scores])

    @property
    def _share(self) -> float:
        """Of each discriminator's losses."""
        return 1 / len(self.discriminator.judges) if self.config.weights.mean_of_judges else 1.0

    def generator_losses(
        self, batch: Batch, output: TrainingOutput, real: Tensor, judged: slice | None
    ) -> dict[str, Tensor]:
        """Weighted losses by name; their sum is what the generator descends.

        Args:
            real: the recording's segments [b, 1, w].
            judged: the samples of them that the discriminators hear; None: they have not joined yet.
        """
        weights, fake, losses = self.config.weights, output.wave, {}
        if output.mel is not None and output.wanted is not None:
            losses["mel"] = weights.mel * masked_mel_loss(output.wanted, output.mel, output.mask)
            if output.pitch is not None and output.told_pitch is not None:
                losses["pitch"] = weights.pitch * pitch_loss(output.pitch, output.told_pitch, output.mask)
                if output.spoken is not None and self.config.swapped:
                    spoken, wanted = output.spoken, output.spoken.wanted_pitch(output.told_pitch)
                    mistold = pitch_loss(spoken.pitch, wanted, output.mask[: len(wanted)])
                    losses["pitch"] = losses["pitch"] + weights.pitch * mistold
            losses.update(self._misheard(batch, output.mel if output.spoken is None else output.spoken.mel, output))
        if fake is not None:
            real_mel = slice_segments(self._mel_of(batch.spec), output.start, self.model.config.segment)
            losses["mel"] = weights.mel * mel_loss(real_mel, self._mel(fake[:, 0]))
        if output.prior is not None:
            prior = output.prior
            if prior.z is not None and output.posterior_log is not None:
                kl = kl_loss(prior.z, output.posterior_log, prior.mean, prior.log_deviation, output.mask)
                losses["kl"] = weights.kl_at(self.steps) * kl
            losses["commitment"] = weights.commitment * prior.commitment.float()
            losses.update(self._misread(batch))
        if fake is not None:
            losses.update(self._misheard(batch, fake[:, 0], output))
        if fake is not None and weights.spectral:
            losses["spectral"] = weights.spectral * spectral_loss(real[:, 0], fake[:, 0], weights.spectral_resolutions)
        if judged is not None:
            real, made = self._pair(batch, output)
            # The step is the generator's: the judges are asked, not taught.
            self.discriminator.requires_grad_(False)
            with torch.no_grad():
                truth = self.discriminator(real[..., judged])
            verdicts = self.discriminator(made[..., judged])
            self.discriminator.requires_grad_(True)
            features = feature_loss([v.features for v in truth], [v.features for v in verdicts])
            losses["adversarial"] = (
                weights.adversarial * self._share * adversarial_loss([v.score.float() for v in verdicts])
            )
            losses["feature"] = weights.feature * self._share * features
        return losses

    def _misheard(self, batch: Batch, made: Tensor, output: TrainingOutput) -> dict[str, Tensor]:
        """How far voice and content of waves [b, w], or of mel frames [b, m, f], are from those of the recordings."""
        weights, losses = self.config.weights, {}
        if self.listen is not None and weights.speaker and batch.speaker is not None:
            rows = weights.speaker_rows
            wanted = batch.speaker if output.spoken is None else batch.speaker[output.spoken.voices]
            heard = self.listen(self._excerpt(made, batch, output, rows) if made.ndim == 3 else made[:rows])
            losses["speaker"] = weights.speaker * speaker_loss(wanted[:rows], heard)
        if self.hear is not None and weights.content and output.wanted is not None:
            both = (self._excerpt(mel, batch, output, weights.content_rows) for mel in (output.wanted, made))
            losses["content"] = weights.content * self.hear(*both)
        return losses

    def _excerpt(self, mel: Tensor, batch: Batch, output: TrainingOutput, rows: int | None = None) -> Tensor:
        """What is listened to in mel frames [b, m, f] of so many utterances."""
        assert output.mel is not None
        span = output.mel.shape[-1] // batch.spec.shape[-1]  # a recording may be a frame shorter
        return excerpt(mel[:rows], output.start[:rows], batch.spec_lengths[:rows], span)

    def _pitch(self, batch: Batch) -> Tensor | None:
        """Of the recordings [b, 2, f], where the generator is told it."""
        told = self.model.config.generator.pitch
        if told is None:
            return None
        return track_pitch(batch.wave[:, 0], self.model.config.spectrogram, told, batch.spec.shape[-1])

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Speak a held-back utterance from its own codes and style, as inference does.

        Where a mel spectrogram is learned, that is measured, at the recording's pitch, and one utterance spoken."""
        model, told = self.trained.eval(), {"batch_size": 1, "sync_dist": replicas.world() > 1}
        if self._vocoder is not None:
            output = self._run(model, batch)
            assert output.mel is not None and output.wanted is not None
            self.log("val/mel_distance", masked_mel_loss(output.wanted, output.mel, output.mask), **told)
            if batch_idx:
                return
        speaker = None if batch.speaker is None else [batch.speaker]
        codes, source = model.encode_batch(batch.hubert), generator(crc32("".join(batch.names).encode()))
        wave = model.decode_batch(codes, batch.phones, [batch.spec], speaker, generator=source)[
            :, : batch.wave.shape[-1]
        ]
        real, fake = self._mel(batch.wave[:, 0]), self._mel(wave)
        if self._vocoder is None:
            frames = min(real.shape[-1], fake.shape[-1])
            self.log("val/mel_distance", mel_loss(real[..., :frames], fake[..., :frames]), **told)
        for board in (each.experiment for each in self.loggers if isinstance(each, TensorBoardLogger)):
            name, rate = batch.names[0], self.model.config.spectrogram.rate
            board.add_audio(f"{name}/recorded", batch.wave[0].float().cpu(), self.steps, rate)
            board.add_audio(f"{name}/generated", wave.float().cpu(), self.steps, rate)
            board.add_image(f"{name}/mel (recorded above generated)", mel_picture(real[0], fake[0]), self.steps)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["steps"] = self.steps
        checkpoint["health"] = self.health.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.steps = checkpoint["steps"]
        if "health" in checkpoint:
            self.health.load_state_dict(checkpoint["health"])

    def _reconstruct(self, piece: Piece) -> TrainingOutput:
        attention, guide = self.model.prior.fusion.attention, self.config.alignment
        with watch_cross_attention(attention) as seen:
            output = self._run(
                self.model,
                replace(piece.batch, speaker=self._unsure(piece.batch.speaker)),
                noise=piece.noise,
                start=piece.start,
                learn=self.config.learn,
                code_noise=self.config.code_noise,
                voices=self._voices(piece.batch),
                heard=self._retold(piece.batch),
            )
        self._read = None if guide is None or not seen else attention.log_weights(*seen[0], guide.head)
        return output

    def _retold(self, batch: Batch) -> Tensor | None:
        """The batch's codes [b, t], of some utterances as stage 1 tells them; None: as recorded, or not read."""
        if self.retell is None or not self.config.retold or self.config.learn == "generator":
            return None
        codes = self.model.encode_batch(batch.hubert)
        chosen = torch.rand(len(codes), 1, device=codes.device) < self.config.retold
        return torch.where(chosen, self.retell(batch, codes), codes)

    def _voices(self, batch: Batch) -> Tensor | None:
        """In whose voice each utterance that is listened to is spoken [r], see `LossWeights.speaker_rows`."""
        weights, every = self.config.weights, len(batch.names)
        asked = [(weights.speaker, weights.speaker_rows), (weights.content, weights.content_rows)]
        rows = max((min(rows or every, every) for weight, rows in asked if weight), default=0)
        if not self.config.as_spoken or rows == 0:
            return None
        return drawn_voices(rows, every, self.config.swapped, batch.spec.device)

    def _unsure(self, speaker: Tensor | None) -> Tensor | None:
        """Speaker embeddings [b, e] with the noise that the recipe asks for."""
        if speaker is None or not self.config.speaker_noise:
            return speaker
        length = self.config.speaker_noise * speaker.norm(dim=-1, keepdim=True)
        return speaker + torch.randn_like(speaker) * length / speaker.shape[-1] ** 0.5

    def _run(self, model: Synthesizer, batch: Batch, **options: Any) -> TrainingOutput:
        inputs = (batch.hubert, batch.spec, batch.spec_lengths, batch.phones, batch.phone_lengths, batch.speaker)
        output: TrainingOutput = model(*inputs, pitch=self._pitch(batch), **options)
        if self._vocoder is None or output.mel is None:
            return output
        with torch.autocast(batch.wave.device.type, enabled=False):
            return replace(output, wanted=self._vocoder.target(batch.wave[:, 0]))

    def _misread(self, batch: Batch) -> dict[str, Tensor]:
        """How far the guided head is from reading each text once, from left to right."""
        guide = self.config.alignment
        if guide is None or self._read is None:
            return {}
        loss = alignment_loss(self._read, batch.spec_lengths, batch.phone_lengths, guide.spread)
        return {"alignment": guide.weight * loss}

    def _judge(self, piece: Piece) -> dict[str, Tensor]:
        """The discriminators' loss. The pass through the generator is kept for its own step where memory allows."""
        with torch.set_grad_enabled(piece.alone):
            output = self._reconstruct(piece)
        self._output = output if piece.alone else None
        assert self._judged is not None
        real, made = self._pair(piece.batch, output)
        loss = self.discriminator_loss(real[..., self._judged], made.detach()[..., self._judged])
        return {"discriminator": piece.share * loss}

    def _speak(self, piece: Piece) -> dict[str, Tensor]:
        """The generator's losses."""
        output, self._output = self._output, None
        output = self._reconstruct(piece) if output is None else output
        losses = self.generator_losses(piece.batch, output, self._real(piece.batch, output), self._judged)
        shares = {"kl": piece.frame_share}
        return {name: shares.get(name, piece.share) * loss for name, loss in losses.items()}

    def _pair(self, batch: Batch, output: TrainingOutput) -> tuple[Tensor, Tensor]:
        """What was recorded and what was made of it, for the judges: waves [b, 1, w] or mel frames [b, 1, m, f]."""
        if self._vocoder is None:
            assert output.wave is not None
            return self._real(batch, output), output.wave
        assert output.mel is not None and output.wanted is not None
        real, made = (self._excerpt(mel, batch, output)[:, None] for mel in (output.wanted, output.mel.float()))
        return real, made

    def _real(self, batch: Batch, output: TrainingOutput) -> Tensor:
        """What was recorded where the generator spoke."""
        hop, segment = self.model.config.spectrogram.hop, self.model.config.segment
        return slice_segments(batch.wave, output.start * hop, segment * hop)

    def _draw_judged(self) -> slice | None:
        """The samples of the segments that the discriminators hear in this step; None: none yet."""
        if not self.judged or self.steps < self.config.adversarial_start:
            return None
        if self._vocoder is not None:
            return slice(None)
        samples, hop = self.model.config.segment * self.model.config.spectrogram.hop, self.model.config.spectrogram.hop
        frames = self.config.adversarial_frames
        if frames is None:
            return slice(0, samples)
        start = int(torch.randint(max(1, samples // hop - frames + 1), ())) * hop
        return slice(start, start + frames * hop)

    def _mel(self, wave: Tensor) -> Tensor:
        """Log-mel spectrogram [b, m, f] of waves [b, w], in full precision."""
        with torch.autocast(wave.device.type, enabled=False):
            return mel_spectrogram(wave.float(), self.config.mel)

    def _mel_of(self, spec: Tensor) -> Tensor:
        with torch.autocast(spec.device.type, enabled=False):
            return spectrogram_to_mel(spec.float(), self.config.mel)
