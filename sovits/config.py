"""What a stage 2 network is made of. A voice family (v1, v2, v2Pro …) is one YAML file of these values."""

from __future__ import annotations

from math import ceil, log, prod
from typing import Literal

from pydantic import model_validator

from feature_extractor.spectral import MelConfig, SpectrogramConfig
from gpt_sovits.core.config import Strict


class QuantizerConfig(Strict):
    """Content features to semantic codes: a strided projection and one codebook."""

    width: int = 768
    """Channels of the content features (768 for HuBERT base)."""
    codes: int = 1024
    frozen: bool = True
    """True: projection and codebook stay as loaded, as when a published model is fine-tuned."""
    decay: float = 0.99
    epsilon: float = 1e-5
    kmeans_iterations: int = 50
    dead_code_threshold: int = 2
    commitment: float = 1.0


class PriorConfig(Strict):
    """Codes and phonemes to the prior distribution: three transformers around a cross attention."""

    filter: int = 768
    heads: int = 2
    kernel: int = 3
    window: int = 4
    """Relative positions further apart than this share no embedding."""
    content_layers: int = 3
    text_layers: int = 6
    joint_layers: int = 3
    cross_heads: int = 4
    dropout: float = 0.1


class WaveNetConfig(Strict):
    """Gated dilated convolutions (one stack)."""

    layers: int
    kernel: int = 5


class FlowConfig(WaveNetConfig):
    """Mean-only coupling layers, each around one WaveNet stack."""

    layers: int = 4
    couplings: int = 4


class StyleConfig(Strict):
    """Reference spectrogram to one style vector."""

    bins: int = 704
    """Lowest spectrogram bins that are read."""
    width: int = 512
    """Channels of the style vector that conditions posterior, flow and generator."""
    prior_width: int = 512
    """Channels of the cross attention and of the style it receives; a projection bridges a difference to `width`."""
    hidden: int = 128
    kernel: int = 5
    heads: int = 2
    dropout: float = 0.1
    gain: float | None = None
    """How much further than it is from the average voice of the training a voice is taken to be when speaking: what a
    small network tells of a voice it has not met lies too near to the average. None: as it is."""


class IstftHead(Strict):
    """Predict log magnitude and phase, and let an inverse STFT make the samples."""

    kind: Literal["istft"] = "istft"
    n_fft: int = 640
    hop: int = 160


class ConvHead(Strict):
    """Predict samples by one convolution and tanh."""

    kind: Literal["conv"] = "conv"

    @property
    def hop(self) -> int:
        return 1


class ResidualBlocks(Strict):
    """HiFi-GAN: after each upsampler the mean of one residual block per kernel size."""

    kind: Literal["residual"] = "residual"
    kernels: tuple[int, ...] = (3, 7, 11)
    dilations: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    narrow: tuple[int, ...] = (1,)
    """Between the two convolutions of a pair there are so many times fewer channels than around them: a figure a stage,
    the last of which counts for those that have none."""

    def narrow_at(self, stage: int) -> int:
        return self.narrow[min(stage, len(self.narrow) - 1)]

    @model_validator(mode="after")
    def _paired(self) -> ResidualBlocks:
        if len(self.kernels) != len(self.dilations):
            raise ValueError(f"{len(self.kernels)} kernels need as many dilation lists, not {len(self.dilations)}")
        if not self.narrow or min(self.narrow) < 1:
            raise ValueError(f"narrow is {list(self.narrow)}: it must name at least one factor, and none below 1")
        return self


class SpectralExit(Strict):
    """In place of the last stages, as iSTFTNet: pairs of convolutions, then log magnitude and phase of short frames."""

    kernel: int = 7
    dilations: tuple[int, ...] = (1, 3, 5)
    n_fft: int = 16
    hop: int = 4


class VocoderHead(Strict):
    """Predict log-mel frames, and let a HiFi-GAN that is trained already make the samples."""

    kind: Literal["vocoder"] = "vocoder"
    bands: int = 80
    channels: int = 512
    rates: tuple[int, ...] = (8, 8, 2, 2)
    kernels: tuple[int, ...] = (16, 16, 4, 4)
    blocks: ResidualBlocks = ResidualBlocks()
    exit: SpectralExit | None = None
    """None: one convolution, as published. What `sovits.thin` teaches to sound like a published one ends in this."""
    heard: MelConfig = MelConfig(rate=22050, n_fft=1024, hop=256, window=1024, bands=80, high=8000.0)
    """The mel spectrogram that the vocoder was trained on."""
    stretch: tuple[int, int] = (4, 5)
    """Its samples to those of the model: it makes 4 samples where the model has 5."""

    @property
    def hop(self) -> int:
        return self.heard.hop * self.stretch[1] // self.stretch[0]

    @property
    def thin(self) -> bool:
        """Whether `sovits.thin` made it of a published one."""
        return self.exit is not None or max(self.blocks.narrow) > 1

    @property
    def reach(self) -> int:
        """Frames on each side of its own that shape a sample."""
        reach, scale = 3.0, 1
        for rate, kernel in zip(self.rates, self.kernels, strict=True):
            reach += kernel / (2 * rate * scale)
            scale *= rate
            pairs = zip(self.blocks.kernels, self.blocks.dilations, strict=True)
            reach += max((k // 2) * sum(d + 1 for d in dilations) for k, dilations in pairs) / scale
        if self.exit is not None:
            reach += (self.exit.kernel // 2) * sum(d + 1 for d in self.exit.dilations) / scale
            reach += self.exit.n_fft / self.exit.hop / scale
        return ceil(reach + 3 / scale)

    @property
    def framing(self) -> SpectrogramConfig:
        """Frames of the model's audio that the vocoder takes for its own."""
        source, target = self.stretch
        n_fft, window = (size * target // source for size in (self.heard.n_fft, self.heard.window))
        return SpectrogramConfig(n_fft=n_fft, hop=self.hop, window=window)

    @model_validator(mode="after")
    def _fits(self) -> VocoderHead:
        source, target = self.stretch
        made = prod(self.rates) * (1 if self.exit is None else self.exit.hop)
        if made != self.heard.hop or self.bands != self.heard.bands:
            raise ValueError(f"the vocoder hears {self.heard.bands} bands every {self.heard.hop} samples")
        for k in range(len(self.rates)):
            if self.channels >> (k + 1) < self.blocks.narrow_at(k):
                raise ValueError(f"narrow {self.blocks.narrow_at(k)} leaves no channel of {self.channels >> (k + 1)}")
        if any(size * target % source for size in (self.heard.hop, self.heard.n_fft, self.heard.window)):
            raise ValueError(f"hop, n_fft and window of what the vocoder hears do not stretch by {target}/{source}")
        return self


class ConvNextBlocks(Strict):
    """After each upsampler a chain of ConvNeXt blocks."""

    kind: Literal["convnext"] = "convnext"
    layers: tuple[int, ...]
    """Blocks after each upsampler."""
    kernel: int = 7
    expansion: int = 3


class PitchConfig(Strict):
    """The pitch that a generator is told."""

    bins: int = 64
    low: float = 55.0
    """Hz"""
    high: float = 550.0
    level: bool = False
    """The style is told how high its references are on the whole, so that what is spoken is as high: `sovits.level`."""
    level_gain: float = 1.0
    """How many times its level a voice's pitch is told when speaking: codes carry some of the pitch of who says them,
    and those of another voice pull it towards that one's."""
    blocks: int | None = None
    """ConvNeXt blocks of a predictor that also reads the phone said at each frame, for a model that follows the text;
    None: a smaller one that reads the joint features alone."""

    @property
    def middle(self) -> float:
        """Of the logarithms."""
        return (log(self.low) + log(self.high)) / 2


class GeneratorConfig(Strict):
    """Latent frames to samples."""

    channels: int = 512
    rates: tuple[int, ...] = (10, 8, 2, 2, 2)
    kernels: tuple[int, ...] = (16, 16, 8, 2, 2)
    widths: tuple[int, ...] | None = None
    """Channels after each upsampler; None: halved each time."""
    blocks: ResidualBlocks | ConvNextBlocks = ResidualBlocks()
    head: ConvHead | IstftHead | VocoderHead = ConvHead()
    pitch: PitchConfig | None = None
    """None: the pitch is left to the latent. For heads with a vocoder."""

    @property
    def stage_widths(self) -> tuple[int, ...]:
        return self.widths or tuple(self.channels >> (i + 1) for i in range(len(self.rates)))

    @model_validator(mode="after")
    def _stages(self) -> GeneratorConfig:
        stages = len(self.rates)
        if len(self.kernels) != stages or len(self.stage_widths) != stages:
            raise ValueError(f"rates has {stages} stages; kernels and widths must have as many")
        if any(k < u or (k - u) % 2 for k, u in zip(self.kernels, self.rates, strict=True)):
            raise ValueError("each kernel must be its rate plus an even number")
        if isinstance(self.blocks, ConvNextBlocks) and len(self.blocks.layers) != stages:
            raise ValueError(f"rates has {stages} stages; blocks.layers must have as many")
        if self.pitch is not None and not isinstance(self.head, VocoderHead):
            raise ValueError("pitch is for generators whose head is a vocoder")
        if isinstance(self.head, IstftHead) and (self.head.n_fft % 2 or (self.head.n_fft - self.head.hop) % 2):
            raise ValueError("head.n_fft must be even, and n_fft - hop too")
        return self


class SynthesizerConfig(Strict):
    """The whole network."""

    spectrogram: SpectrogramConfig = SpectrogramConfig()
    phonemes: int = 732
    quantizer: QuantizerConfig = QuantizerConfig()
    inter: int = 192
    """Channels of the latent."""
    hidden: int = 192
    """Channels of the encoders and of the WaveNets."""
    prior: PriorConfig = PriorConfig()
    posterior: WaveNetConfig | None = WaveNetConfig(layers=16)
    """None: the generator is given the prior's mean, and prior and generator are taught as one, by the mel spectrogram
    alone: for heads with a vocoder. The flow, usually of no couplings then, is part of that way."""
    flow: FlowConfig = FlowConfig()
    style: StyleConfig = StyleConfig()
    speaker: int | None = None
    """Channels of a speaker embedding; None: no speaker branch."""
    generator: GeneratorConfig = GeneratorConfig()
    follow_text: bool = False
    """A reader of the codes follows the text through them, and the prior is told the phone that is said at each moment.
    A small training does not find that by attention alone."""
    segment: int = 32
    """Frames the generator sees of each utterance in training."""

    @model_validator(mode="after")
    def _hop(self) -> SynthesizerConfig:
        made = prod(self.generator.rates) * self.generator.head.hop
        if made != self.spectrogram.hop:
            raise ValueError(
                f"the generator makes {made} samples a frame, the spectrogram takes {self.spectrogram.hop}"
            )
        if (self.posterior is None) != isinstance(self.generator.head, VocoderHead):
            raise ValueError("posterior must be null where the generator's head is a vocoder, and only there")
        if self.style.bins > self.spectrogram.bins:
            raise ValueError(f"style.bins is {self.style.bins}, but the spectrogram has {self.spectrogram.bins} bins")
        if self.hidden % self.prior.heads or self.style.prior_width % self.prior.cross_heads or self.inter % 2:
            raise ValueError("heads must divide hidden, cross_heads prior_width, and inter must be even")
        if self.generator.pitch is not None and self.generator.pitch.blocks is not None and not self.follow_text:
            raise ValueError(
                "generator.pitch.blocks read the phone said at each frame: set follow_text too, or leave it out"
            )
        return self


class DiscriminatorConfig(Strict):
    """Judges of the training: one scale, several periods, and optionally several STFT resolutions."""

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    mel: bool = False
    """One alone, on the mel spectrogram that a generator's vocoder is given; for other generators it has no use."""
    scale: bool = True
    """Whether there is a discriminator on the plain wave."""
    width: float = 1.0
    """Factor on all channel counts; small trainings take a fraction."""
    resolutions: tuple[tuple[int, int, int], ...] = ()
    """(n_fft, hop, window) of each spectrogram discriminator."""
    window: Literal["hann", "rectangular"] = "hann"
    """Of the spectrograms. rectangular: as so-vits-svc-5 trains them, where only its length sets a window apart."""
    period_widths: tuple[int, ...] = (32, 128, 512, 1024, 1024)
    """Channels of the period discriminators; so-vits-svc-5 has 64, 128, 256, 512, 1024."""
    slope: float = 0.1
    """Of the leaky ReLU on periods and spectrograms; so-vits-svc-5 has 0.2."""
