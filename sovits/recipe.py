"""How the second stage is trained: data, losses, optimizers, schedules. The defaults are the public recipe."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from feature_extractor.spectral import MelConfig
from gpt_sovits.core.config import Strict
from gpt_sovits.core.tuning import Tuning
from sovits.config import DiscriminatorConfig
from sovits.loss import RESOLUTIONS
from sovits.model import Learned


class SynthesizerDataConfig(Strict):
    """What is read of a prepared folder and how it is batched."""

    batch_size: int = 8
    seed: int = 1234
    """With the epoch, the only thing the order and the crops depend on."""
    shortest: float = 0.6
    longest: float = 54.0
    """Utterances outside this many seconds are left out, and the log says how many."""
    max_frames: int | None = None
    """Cut longer utterances to a random window of this many frames (even), for machines with little memory or speed.

    Phonemes cannot be cut, so the text encoder then sees more text than is spoken; attention learns to find the spoken
    part, which costs a little quality. None: whole utterances."""
    validation_items: int = 4
    """Utterances held back for sample audio and the validation loss; 0: none. Never more than a tenth of all."""
    on_fault: Literal["error", "drop"] = "error"
    """A damaged or incomplete utterance stops the start of training with a list of all faults, or is left out and
    reported."""
    read_all: bool = True
    """Read every file before training; otherwise only names and sizes are checked and a damaged file stops the
    training when its turn comes."""
    cache_mib: int = 4096
    """Memory for decoded 16-bit waves and content features; what does not fit is read again when needed."""
    workers: int = 0
    compat: bool = False
    """Behave like the public GPT-SoVITS: fewer than 100 utterances repeated to about 100, its bucket sampler, faulty
    utterances passed over in silence, nothing held back."""

    @model_validator(mode="after")
    def _whole_codes(self) -> SynthesizerDataConfig:
        if self.max_frames is not None and self.max_frames % 2:
            raise ValueError(f"max_frames must be even: two frames make one code; got {self.max_frames}")
        return self


class EpochDecay(Strict):
    """The learning rate falls by a factor with every pass over the data, the first one included."""

    kind: Literal["epoch"] = "epoch"
    factor: float = 0.999875

    def scale(self, step: int, steps_per_epoch: int) -> float:
        return self.factor ** (1 + step // steps_per_epoch)


class CosineDecay(Strict):
    """A linear rise, then half a cosine down to a remainder."""

    kind: Literal["cosine"] = "cosine"
    warmup: int
    steps: int
    """Steps after which the remainder is reached."""
    remainder: float = 0.1

    def scale(self, step: int, steps_per_epoch: int) -> float:
        rise = min(1.0, (step + 1) / max(1, self.warmup))
        done = min(1.0, max(0, step - self.warmup) / max(1, self.steps - self.warmup))
        return rise * (self.remainder + (1 - self.remainder) * 0.5 * (1 + math.cos(math.pi * done)))


class LossWeights(Strict):
    """Factors of the generator's losses."""

    mel: float = 45.0
    kl: float = 1.0
    kl_start: float = 1.0
    """Share of `kl` at the first step. A training from nothing gains from little at first: else the posterior, which
    reconstructs, is drawn to a prior that knows nothing yet."""
    kl_rise: int = 0
    """Steps over which the share grows to the whole."""
    adversarial: float = 1.0
    feature: float = 1.0
    commitment: float = 1.0
    spectral: float = 0.0
    """Multi-resolution STFT loss; the public recipe has none, short trainings gain from it."""
    spectral_resolutions: tuple[tuple[int, int, int], ...] = RESOLUTIONS
    """(n_fft, hop, window) of that loss."""
    pitch: float = 5.0
    """Distance of the pitch that codes and voice tell from that of the recording, for generators that are told it."""
    mean_of_judges: bool = False
    """Take the mean of the discriminators' losses instead of their sum, as so-vits-svc-5 does."""
    speaker: float = 0.0
    """Distance of the voice that the model's speaker encoder hears in a generated segment from that of the recording;
    for models with a speaker branch. Segments under a second hold little voice; from a generator that ends in a
    vocoder two seconds are heard, in its mel spectrogram (`sovits.listening`)."""
    speaker_rows: int | None = Field(default=None, gt=0)
    """Utterances of each batch that are listened to, its longest; None: all. Listening takes as long as speaking."""
    content: float = 0.0
    """Distance of what is said in the predicted mel spectrogram, in the content encoder's hearing, from what is said
    in the recording's; for generators that end in a vocoder and encoders that read spectra (`sovits.listening`)."""
    content_rows: int | None = Field(default=None, gt=0)
    """As `speaker_rows`."""

    def kl_at(self, step: int) -> float:
        share = 1.0 if self.kl_rise == 0 else min(1.0, step / self.kl_rise)
        return self.kl * (self.kl_start + (1 - self.kl_start) * share)


class AlignmentConfig(Strict):
    """A head of the cross attention that is taught to read from left to right, see `sovits.alignment`."""

    head: int = Field(default=0, ge=0)
    weight: float = Field(default=1.0, gt=0)
    """Factor on the loss in nats per phone."""
    spread: float | None = Field(default=0.2, gt=0)
    """Width of the diagonal prior, in shares of the text; None: no prior."""


class SynthesizerTaskConfig(Strict):
    """How the second stage is trained; the defaults are the public recipe."""

    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    mel: MelConfig = MelConfig(bands=128)
    rate: float = 1e-4
    text_rate: float = 0.4
    """Factor on the learning rate of what reads the text: embedding, text encoder and cross attention."""
    discriminator_rate: float = 1.0
    """Factor on the learning rate of the discriminators."""
    betas: tuple[float, float] = (0.8, 0.99)
    epsilon: float = 1e-9
    weight_decay: float = 0.01
    schedule: Annotated[EpochDecay | CosineDecay, Field(discriminator="kind")] = EpochDecay()
    adversarial_start: int = 0
    """Steps of plain reconstruction before the discriminators join."""
    adversarial_frames: int | None = Field(default=None, gt=0)
    """Frames of each segment that the discriminators hear, a random window; None: all. They cost half of a step."""
    learn: Learned = "all"
    """prior: what codes and text tell of the latent (prior encoder and flow), in a fraction of the time, as no wave is
    made. generator: the latent to a wave, with its discriminators. Either leaves the rest as it is; they can be taught
    one after the other, or side by side from the same weights."""
    code_noise: float = Field(default=0.0, ge=0, lt=1)
    """Chance that the prior reads random codes, three at a time, in place of right ones. Right codes tell all that is
    said, and a prior that has read no others does not listen to the text; those of stage 1, or of a voice never heard,
    are not always right."""
    retold: float = Field(default=0.0, ge=0, le=1)
    """Share of the utterances whose codes the prior reads as the model's stage 1 tells them, each told from the right
    ones before it. Their mistakes are those met when speaking, and only the text can mend them."""
    speaker_noise: float = Field(default=0.0, ge=0)
    """Length of the noise on the speaker embedding, in lengths of the embedding. Two recordings of one speaker are
    about 0.6 apart, and a network that has met few speakers otherwise takes each for a world of its own."""
    as_spoken: bool = False
    """Voice and content are listened to at the pitch that codes and voice tell, as when speaking, and not at that of
    the recording. The pitch then learns what a tone has to be to be understood, where the distance from the recording
    alone teaches it the middle of all that is likely."""
    swapped: float = Field(default=0.0, ge=0, le=1)
    """Share of the utterances listened to that are spoken in the voice of another one of their batch: that voice is
    then to be heard, at its own level. Codes carry some of the voice they were heard in, and a network that has met
    them with no other takes the voice from them; when speaking they are of somebody else. With `as_spoken`."""
    pieces: int = Field(default=1, gt=0)
    """Parts that a batch is computed in, one after the other: large batches in little memory (accumulation)."""
    weights: LossWeights = LossWeights()
    alignment: AlignmentConfig | None = None
    """For training from few hours; wants whole utterances (`data.max_frames=null`)."""
    clip: float | None = None
    """Largest gradient norm of either step; None: gradients are used as they are."""
    average: float | None = None
    """Decay of a moving average of the generator's weights, which is then what is heard and exported; None: none."""


class SynthesizerTrainingConfig(Tuning):
    """One training of the second stage."""

    data: SynthesizerDataConfig = SynthesizerDataConfig()
    task: SynthesizerTaskConfig = SynthesizerTaskConfig()
    epochs: int = Field(default=8, gt=0)
    freeze_quantizer: bool = True
    """Leave the projection and the codebook that make the semantic codes as they are. Training them changes what the
    codes mean: the folder's codes and the first stage then have to be made again."""

    @model_validator(mode="after")
    def _whole(self) -> SynthesizerTrainingConfig:
        if self.task.alignment is not None and self.data.max_frames is not None:
            raise ValueError("task.alignment follows the text of whole utterances: set data.max_frames=null")
        if self.task.swapped and not self.task.as_spoken:
            raise ValueError("task.swapped listens to what is spoken in other voices: set task.as_spoken=true")
        if self.task.retold and not self.freeze_quantizer:
            raise ValueError("task.retold reads codes that stay what they are: set freeze_quantizer=true")
        return self
