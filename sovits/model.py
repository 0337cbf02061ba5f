"""The stage 2 network: semantic codes, phonemes and a reference voice to a waveform.

A conditional variational autoencoder with a flow and an adversarially trained decoder (VITS, Kim et al. 2021), whose
prior reads quantized content features and phonemes, as in the public GPT-SoVITS.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from gpt_sovits.core.device import normal
from sovits.checks import check_branch, check_content, check_frames, check_sentence
from sovits.config import SynthesizerConfig
from sovits.coupling import Flow
from sovits.following import TextFollower
from sovits.generator import Generator
from sovits.level import PitchLevel
from sovits.outputs import PriorOutput, SpokenOutput, TrainingOutput
from sovits.pitch import PitchReader, pitch_predictor, spoken_pitch
from sovits.posterior import PosteriorEncoder
from sovits.prior import PriorEncoder, change_speed, cross_fade
from sovits.quantizer import SemanticQuantizer
from sovits.segments import length_mask, segment_starts, slice_segments
from sovits.style import SpeakerBranch, StyleEncoder
from sovits.weightnorm import take_off

FRAMES_PER_CODE = 2
GARBLED = 3
"""Codes that are replaced at a time: about a phone."""
Learned = Literal["all", "prior", "generator"]
"""What a training teaches: prior is what codes and text tell of the latent (prior encoder and flow)."""


class Synthesizer(nn.Module):
    """All of stage 2; `posterior` is absent in a model that only speaks."""

    def __init__(self, config: SynthesizerConfig, posterior: bool = True) -> None:
        super().__init__()
        self.config = config
        style = config.style
        self.content = nn.Conv1d(config.quantizer.width, config.quantizer.width, FRAMES_PER_CODE, FRAMES_PER_CODE)
        self.quantizer = SemanticQuantizer(config.quantizer)
        follower = TextFollower(config.quantizer.width, config.phonemes) if config.follow_text else None
        self.reader = None if follower is None else follower.requires_grad_(False)
        self.style = StyleEncoder(style)
        self.speaker = SpeakerBranch(config.speaker, style.width) if config.speaker is not None else None
        self.bridge = nn.Linear(style.width, style.prior_width) if style.width != style.prior_width else None
        self.prior = PriorEncoder(config)
        self.posterior = PosteriorEncoder(config) if posterior and config.posterior is not None else None
        self.flow = Flow(config.inter, config.hidden, config.flow, style.width)
        self.generator = Generator(config.inter, config.generator, style.width)
        told = config.generator.pitch
        self.pitch = pitch_predictor(config)
        self.level = PitchLevel(style.width, told, config.spectrogram) if told and told.level else None

    @property
    def trainable(self) -> bool:
        """Whether all is there that training needs: a model that only speaks has lost its posterior."""
        return self.posterior is not None or self.config.posterior is None

    def fuse(self) -> Synthesizer:
        """Fold weight norm into the weights, for speed; the function computed stays the same."""
        take_off(self)
        return self

    def encode(self, hubert: Tensor) -> Tensor:
        """Semantic codes [t] of the content features [1, c, f] of one recording; t is f // 2."""
        check_content(hubert, self.config.quantizer.width, FRAMES_PER_CODE)
        return self.encode_batch(hubert)[0]

    @torch.no_grad()
    def encode_batch(self, hubert: Tensor) -> Tensor:
        """Semantic codes [b, f // 2] of content features [b, c, f]; an odd last frame is dropped."""
        return self.quantizer.encode(self.content(hubert.to(self.content.weight)))

    def reference_style(self, references: list[Tensor], speaker_embeddings: list[Tensor] | None = None) -> Tensor:
        """Mean style [1, s, 1] of several reference spectrograms [1, bins, f].

        Args:
            speaker_embeddings: one [1, e] per reference; needed exactly when the model has a speaker branch.
        """
        embeddings: list[Tensor] | list[None] = speaker_embeddings or [None] * len(references)
        like = self.prior.exit.weight
        pairs = zip(references, embeddings, strict=True)
        styles = [self._style(r.to(like), None, None if e is None else e.to(like)) for r, e in pairs]
        return self.style.exaggerated(torch.stack(styles).mean(0))

    def decode(
        self,
        codes: Tensor,
        phones: Tensor,
        references: list[Tensor],
        speaker_embeddings: list[Tensor] | None = None,
        noise_scale: float = 0.5,
        speed: float = 1.0,
        seed: int | None = None,
    ) -> Tensor:
        """Speak one sentence; the stable seam for other programs.

        Args:
            codes: semantic codes [t].
            phones: phoneme ids of what is said [n].
            references: linear spectrograms of the voice, each [1025, f]; their styles are averaged.
            speaker_embeddings: one [20480] per reference; needed exactly when the model has a speaker branch.
            noise_scale: spread of the prior; 0 is its mean.
            speed: 1.2 speaks a fifth faster.
            seed: of the noise; None draws a fresh one.

        Returns:
            Samples [w] in float32 within -1..1, 1280 per code at speed 1, on the model's device.

        Raises:
            InputError: an input that this model cannot read.
        """
        check_sentence(self.config, codes, phones, references, speaker_embeddings, speed)
        device = self.prior.exit.weight.device
        source = torch.Generator()
        source.seed() if seed is None else source.manual_seed(seed)
        wave = self.decode_batch(
            codes[None].to(device, torch.long),
            phones[None].to(device, torch.long),
            [reference[None] for reference in references],
            None if speaker_embeddings is None else [embedding[None] for embedding in speaker_embeddings],
            noise_scale=noise_scale,
            speed=speed,
            generator=source,
        )
        return wave[0].float()

    @torch.inference_mode()
    def decode_batch(
        self,
        codes: Tensor,
        phones: Tensor,
        references: list[Tensor],
        speaker_embeddings: list[Tensor] | None = None,
        noise_scale: float = 0.5,
        speed: float = 1.0,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
        style: Tensor | None = None,
    ) -> Tensor:
        """Speak, with the axes and the noise as the networks have them.

        Args:
            codes: semantic codes [1, t].
            phones: phoneme ids of what is said [1, n].
            references: linear spectrograms of the voice, each [1, bins, f]; their styles are averaged.
            speaker_embeddings: see `reference_style`.
            noise: standard normal, shape of the prior mean [1, inter, f]; drawn from `generator` when None.
            style: what `reference_style` makes of the references, where that is known already.

        Returns:
            Samples [1, w], 1280 per code at speed 1.
        """
        style = self.reference_style(references, speaker_embeddings) if style is None else style
        features, mask = self.features(codes, phones, style)
        features, mask = change_speed(features, mask, speed)
        return self._speak(features, mask, style, noise_scale, noise, generator)

    @torch.inference_mode()
    def decode_streaming(
        self,
        codes: Tensor,
        phones: Tensor,
        references: list[Tensor],
        speaker_embeddings: list[Tensor] | None = None,
        noise_scale: float = 0.5,
        speed: float = 1.0,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
        result_length: int | None = None,
        overlap: Tensor | None = None,
        style: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Speak the end of a growing code sequence.

        Args:
            result_length: how many of the last codes to speak; None: all.
            overlap: features [1, hidden, k] the previous call returned for the first k frames of this one, into which
                the joint features are cross-faded.
            style: see `decode_batch`.

        Returns:
            Samples [1, w] and the cross-faded features [1, hidden, f] before the speed change.
        """
        style = self.reference_style(references, speaker_embeddings) if style is None else style
        places = self.places(codes, phones, ended=False)
        features, mask = self.features(codes, phones, style, places=places)
        if result_length is not None:
            features, mask = (x[..., -FRAMES_PER_CODE * result_length :] for x in (features, mask))
        if overlap is not None:
            features = cross_fade(overlap, features)
        stretched, mask = change_speed(features, mask, speed)
        return self._speak(stretched, mask, style, noise_scale, noise, generator), features

    def forward(
        self,
        hubert: Tensor,
        spec: Tensor,
        spec_lengths: Tensor,
        phones: Tensor,
        phone_lengths: Tensor,
        speaker: Tensor | None = None,
        noise: Tensor | None = None,
        start: Tensor | None = None,
        learn: Learned = "all",
        code_noise: float = 0.0,
        pitch: Tensor | None = None,
        voices: Tensor | None = None,
        heard: Tensor | None = None,
    ) -> TrainingOutput:
        """One training pass: reconstruct a random segment of each utterance.

        Args:
            hubert: content features [b, c, f]; f even.
            spec: linear spectrogram [b, bins, f].
            spec_lengths: valid frames [b].
            phones: ids [b, n].
            phone_lengths: [b].
            speaker: speaker embedding [b, e]; needed exactly when the model has a speaker branch.
            noise: standard normal [b, inter, f] for the posterior; drawn when None.
            start: uniform draws in [0, 1) [b] that place the segments; drawn when None.
            learn: prior: make no wave; generator: leave out prior and flow.
            code_noise: chance that some codes are replaced by random ones, which only the text can tell.
            pitch: of the recordings [b, 2, f], for a generator that is told it.
            voices: utterances [r] in whose voices the first r are to be spoken, too: at the pitch that codes and voice
                tell, as when speaking.
            heard: codes [b, f // 2] that the prior reads in place of the recordings'.
        """
        if not self.trainable:
            raise ValueError("this model was loaded without its posterior encoder, which training needs")
        mask = length_mask(spec_lengths, spec.shape[-1]).to(spec.dtype)
        read = self.style.noted(self._style(spec, mask, speaker))
        style = self._told(read)
        z = posterior_mean = posterior_log = None
        if self.posterior is not None:
            # The posterior sees the style without training it: the style is to serve the speaking path.
            posterior_mean, posterior_log = self.posterior(spec, mask, style.detach())
            noise = torch.randn_like(posterior_mean) if noise is None else noise
            z = (posterior_mean + noise * posterior_log.exp()) * mask
        first = segment_starts(spec_lengths, self.config.segment, start)
        prior = expected = None
        if learn != "generator":
            quantized, codes, commitment = self._quantize(hubert, spec.shape[-1], heard)
            places = self.places(codes, phones, spec_lengths // FRAMES_PER_CODE, phone_lengths)
            if code_noise:
                quantized = self.quantizer.garble(quantized, code_noise, GARBLED * FRAMES_PER_CODE)
            text_mask = length_mask(phone_lengths, phones.shape[-1]).to(spec.dtype)
            features = self._joint(quantized, mask, phones, text_mask, style, places)
            mean, log_deviation = self.prior.distribution(features, mask)
            expected = None if self.pitch is None else self.pitch(features, mask, style)
            prior = PriorOutput(
                z=None if z is None else self.flow(z, mask, style),
                mean=mean,
                log_deviation=log_deviation,
                commitment=commitment,
                quantized=quantized,
            )
        wave = mel = spoken = None
        if z is None and prior is not None:  # a mel spectrogram is cheap enough to be taught on whole utterances
            mel = self.generator.mel(self.flow.reverse(prior.mean, mask, style), style, pitch)
            if self.pitch is not None and voices is not None:
                rows, of = slice(len(voices)), read[voices]
                at = None if places is None else places[rows]
                joint = (quantized[rows], mask[rows], phones[rows], text_mask[rows], self._told(of), at)
                spoken = self._foretold(self._joint(*joint), mask[rows], of, read[rows], voices)
        elif z is not None and learn != "prior":
            wave = self.generator(slice_segments(z, first, self.config.segment), style)
        return TrainingOutput(
            wave=wave,
            mel=mel,
            spoken=spoken,
            pitch=expected,
            told_pitch=pitch,
            start=first,
            mask=mask,
            z=z,
            posterior_mean=posterior_mean,
            posterior_log=posterior_log,
            prior=prior,
        )

    def _foretold(self, features: Tensor, mask: Tensor, style: Tensor, own: Tensor, voices: Tensor) -> SpokenOutput:
        """What joint features [r, hidden, f] become in the styles [r, s, 1] of `voices`; `own` were the recordings'."""
        assert self.pitch is not None
        pitch = self.pitch(features, mask, self._told(style, True))
        told = self._told(style)
        latent = self.flow.reverse(self.prior.distribution(features, mask)[0], mask, told)
        rise = style.new_zeros(len(voices)) if self.level is None else (style - own)[:, -1, 0].detach()
        return SpokenOutput(self.generator.mel(latent, told, spoken_pitch(pitch)), pitch, voices, rise)

    def _style(self, spec: Tensor, mask: Tensor | None, embedding: Tensor | None) -> Tensor:
        style: Tensor = self.style(spec, mask)
        check_branch(self.speaker, embedding)
        if self.speaker is not None:
            style = self.speaker(style, embedding)
        return style if self.level is None else self.level(style, spec, mask)

    def _told(self, style: Tensor, spoken: bool = False) -> Tensor:
        return style if self.level is None else self.level.told(style, spoken)

    def features(
        self,
        codes: Tensor,
        phones: Tensor,
        style: Tensor,
        code_lengths: Tensor | None = None,
        phone_lengths: Tensor | None = None,
        places: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Joint features [b, hidden, f] of codes [b, t] and phones [b, n], and their mask [b, 1, f].

        Where the pitch is told by a `PitchReader`, its phones are further channels.

        Args:
            style: [1 or b, s, 1].
            code_lengths: real codes of each row [b]; None: all are.
            phone_lengths: real phones of each row [b]; None: all are.
            places: see `places`, where they are known already.
        """
        if places is None:
            places = self.places(codes, phones, code_lengths, phone_lengths)
        content = self.quantizer.decode(codes).repeat_interleave(FRAMES_PER_CODE, dim=-1)
        mask, text_mask = torch.ones_like(content[:, :1]), torch.ones_like(phones[:, None], dtype=content.dtype)
        if code_lengths is not None:
            mask = length_mask(FRAMES_PER_CODE * code_lengths, content.shape[-1]).to(content.dtype)
        if phone_lengths is not None:
            text_mask = length_mask(phone_lengths, phones.shape[-1]).to(content.dtype)
        return self._joint(content, mask, phones, text_mask, self._told(style), places), mask

    def _joint(
        self, content: Tensor, mask: Tensor, phones: Tensor, text_mask: Tensor, style: Tensor, places: Tensor | None
    ) -> Tensor:
        """`features` of code vectors [b, c, f]."""
        at = None if places is None else places.repeat_interleave(FRAMES_PER_CODE, dim=-1)
        style = style if self.bridge is None else self.bridge(style.mT).mT
        joint = self.prior.features(content, mask, phones, text_mask, style, at)
        if at is None or not isinstance(self.pitch, PitchReader):
            return joint
        return self.pitch.read(joint, mask, phones.gather(1, at))

    def places(
        self,
        codes: Tensor,
        phones: Tensor,
        code_lengths: Tensor | None = None,
        phone_lengths: Tensor | None = None,
        ended: bool = True,
    ) -> Tensor | None:
        """Which phone is said at each of the codes [b, t]; None: this model does not ask. See `TextFollower.places`."""
        if self.reader is None:
            return None
        return self.reader.places(self.quantizer.decode(codes), phones, code_lengths, phone_lengths, ended)

    def voice(
        self, features: Tensor, mask: Tensor, style: Tensor, noise: Tensor, scale: float | Tensor, padded: bool = False
    ) -> Tensor:
        """Samples [b, w] in float32 of joint features [b, hidden, f].

        Args:
            noise: standard normal [b, inter, f].
            scale: spread of the prior.
            padded: some rows are shorter than others; without it the generator need not look at the mask.
        """
        pitch = None if self.pitch is None else spoken_pitch(self.pitch(features, mask, self._told(style, True))) * mask
        style = self._told(style)
        mean, log_deviation = self.prior.distribution(features, mask)
        z = mean if self.config.posterior is None else mean + noise * log_deviation.exp() * scale
        latent = self.flow.reverse(z, mask, style) * mask
        inside = mask if padded else None
        return self.generator(latent, style, inside, pitch)[:, 0].float()

    def _speak(
        self,
        features: Tensor,
        mask: Tensor,
        style: Tensor,
        noise_scale: float,
        noise: Tensor | None,
        generator: torch.Generator | None,
    ) -> Tensor:
        if noise is None:
            source = generator if generator is not None else torch.default_generator
            noise = normal((len(features), self.config.inter, features.shape[-1]), source, features)
        return self.voice(features, mask, style, noise, noise_scale)

    def _quantize(self, hubert: Tensor, frames: int, heard: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Code vectors per frame [b, c, frames], of `heard` where it is given, codes [b, t] and commitment loss."""
        frozen = self.config.quantizer.frozen
        self.quantizer.train(self.training and not frozen)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            quantized, codes, commitment = self.quantizer(self.content(hubert))
        quantized = quantized if heard is None else self.quantizer.decode(heard).to(quantized)
        quantized = quantized.repeat_interleave(FRAMES_PER_CODE, dim=-1)
        check_frames(hubert, quantized.shape[-1], frames)
        return quantized, codes, commitment
