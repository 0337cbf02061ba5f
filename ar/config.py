"""What the semantic token model is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from gpt_sovits.core.config import Strict
from gpt_sovits.core.tuning import Tuning


class Text2SemanticConfig(Strict):
    """Sizes of one Text2SemanticDecoder; the defaults are those of the public v2 model."""

    width: int = Field(default=512, gt=0)
    heads: int = Field(default=16, gt=0)
    layers: int = Field(default=24, gt=0)
    feed_forward: int = Field(default=2048, gt=0)
    phones: int = Field(default=732, gt=0)
    """Rows of the phone embedding: the length of the symbol table, or more."""
    codes: int = Field(default=1025, gt=1)
    """Rows of the code embedding and of the output: the semantic codes and the end mark."""
    eos: int = 1024
    """The end mark; also pads the targets."""
    bert_width: int | None = 1024
    """Width of the per-phone BERT features; None: no BERT projection. With a width, absent features still add its
    bias, exactly as features of zeros do."""
    embedding_scale: float = Field(default=1.0, gt=0)
    """Standard deviation of untrained phone and code embeddings; the public model's is 1."""
    embedding_dropout: float = Field(default=0.0, ge=0, lt=1)
    position_dropout: float = Field(default=0.1, ge=0, lt=1)
    layer_dropout: float = Field(default=0.1, ge=0, lt=1)
    # The public training masks the first M-L phones of a text of L in a batch of M although the padding comes last, so
    # pads are read and real phones hidden, and it asks for the end mark at every padded code. "right" hides exactly
    # the padding and asks for the end mark once. Inference is the same under both.
    mask: Literal["public", "right"] = "right"
    reading_layers: tuple[int, ...] = ()
    """Layers one head of which was taught to read the text from left to right, see `ar.reading`."""
    reading_head: int = Field(default=0, ge=0)
    max_positions: int = Field(default=4000, gt=0)
    """Longest text, and longest code sequence, the sinusoidal positions are made for."""

    @model_validator(mode="after")
    def _fit(self) -> Text2SemanticConfig:
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"width {self.width} must be even and divide by heads {self.heads}")
        if not 0 <= self.eos < self.codes:
            raise ValueError(f"eos {self.eos} must be one of the {self.codes} codes")
        return self

    @property
    def head_width(self) -> int:
        return self.width // self.heads


class ScaledAdamConfig(Strict):
    """The public recipe, for fine-tuning."""

    kind: Literal["scaled_adam"] = "scaled_adam"
    first_lr: float = Field(default=0.01, gt=0)
    """Rate of the very first step."""
    lr: float = Field(default=0.002, gt=0)
    betas: tuple[float, float] = (0.9, 0.95)
    clipping_scale: float = Field(default=2.0, gt=0)
    clipping_update_period: int = Field(default=1000, gt=0)
    clip_update: bool = False
    """Whether an unusually large gradient is limited in the update itself, too; in the public recipe it is not."""


class AdamWConfig(Strict):
    """Warm-up and cosine decay, for training from scratch."""

    kind: Literal["adamw"] = "adamw"
    lr: float = Field(default=5e-4, gt=0)
    final_lr: float = Field(default=1e-5, ge=0)
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_steps: int = Field(default=500, ge=0)
    decay_steps: int = Field(default=20000, gt=0)
    """Optimiser step at which `final_lr` is reached."""


OptimizerConfig = Annotated[ScaledAdamConfig | AdamWConfig, Field(discriminator="kind")]


class JoinConfig(Strict):
    """Several utterances of a speaker as one, see `ar.join`."""

    speakers: Path | None = None
    """The `path|speaker|language|text` list the folder was prepared from; it has to be named."""
    chance: float = Field(default=0.5, ge=0, le=1)
    """That another utterance is put before those there are."""
    most: int = Field(default=1, gt=0)
    """Utterances put before one."""
    strangers: float = Field(default=0.0, ge=0, le=1)
    """Share of them that may be of any speaker, in any language."""
    own: float = Field(default=0.0, ge=0, le=1)
    """Share of the listed utterances that stand after the model's own prompt of their language in place of all that:
    what it continues when it speaks in its own manner. The prompt's codes are not learned."""
    longest: float = Field(default=17.0, gt=0)
    """Seconds a joined utterance may last."""


class AlignmentConfig(Strict):
    """Heads that are taught to read from left to right, see `ar.alignment`; for training from nothing."""

    layers: tuple[int, ...] = (1, 2)
    head: int = Field(default=0, ge=0)
    weight: float = Field(default=0.1, gt=0)
    """Factor against the cross-entropy per code."""
    spread: float = Field(default=0.2, gt=0)
    """Width of the diagonal prior, in shares of the text."""


class Text2SemanticDataConfig(Strict):
    """Which utterances of a prepared folder are trained on, and in what order."""

    batch_size: int = Field(default=8, gt=0)
    max_seconds: float = Field(default=54.0, gt=0)
    phones_per_second: tuple[float, float] = (3.0, 25.0)
    """Utterances said slower or faster than this are left out: their text is hardly right."""
    repeat_below: int = Field(default=100, ge=0)
    """A smaller set is repeated up to about this size, so that an epoch is worth its overhead."""
    order: Literal["public", "seeded"] = "seeded"
    """seeded: a function of the seed, the epoch and the utterances. public: of the order of lines too, with the public
    sampler's buckets, which open one at a time however far the next item is."""
    bucket_seconds: float = Field(default=2.0, gt=0)
    hold_out: int = Field(default=0, ge=0)
    """Utterances kept for validation."""
    join: JoinConfig | None = None
    symbols: Literal["v1", "v2"] = "v2"
    workers: int = Field(default=0, ge=0)
    seed: int = 0


class Text2SemanticTrainingConfig(Tuning):
    """One training of stage 1."""

    data: Text2SemanticDataConfig = Text2SemanticDataConfig()
    optimizer: OptimizerConfig = ScaledAdamConfig()
    epochs: int = Field(default=15, gt=0)
    save_every: int = Field(default=5, gt=0)
    """Epochs between two saved models."""
    seed: int = 1234
    accumulate: int = Field(default=4, gt=0)
    """Batches per optimiser step."""
    pieces: int = Field(default=1, gt=0)
    """Parts that a batch is computed in, one after the other, for machines with little memory; the same gradients."""
    windows: Literal["public", "even"] = "even"
    """even: the last window of an epoch ends with it. public: the first window of an epoch has one batch more, and
    what is left over at the end of an epoch goes into the next."""
    reduction: Literal["sum", "mean"] = "sum"
    """sum of the loss over a window's codes, or mean over the codes of each batch and over the window."""
    gradient_clip: float | None = Field(default=None, gt=0)
    """Largest gradient norm; None: no clipping."""
    code_noise: float = Field(default=0.0, ge=0, lt=1)
    """Share of the codes that the model reads wrong in training, see `ar.loss.garble`."""
    average: float | None = Field(default=None, gt=0, lt=1)
    """Decay of a moving average of the weights, which is then what is judged and exported; None: none."""
    alignment: AlignmentConfig | None = None
    preference: bool = False
    """Direct preference optimisation against damaged codes; needs twice the memory, so halve `data.batch_size`."""
    preferences: Path | None = None
    """Direct preference optimisation on pairs of the model's own samples: the file that `train preferences` wrote."""

    @model_validator(mode="after")
    def _adaptable(self) -> Text2SemanticTrainingConfig:
        if self.lora is not None and isinstance(self.optimizer, ScaledAdamConfig):
            raise ValueError(
                "adapters begin at zero, and ScaledAdam's steps are in proportion to a tensor's size: take an "
                "optimizer of kind adamw, as train/s1_lora does"
            )
        if self.preferences is not None and (self.preference or self.alignment or self.code_noise or self.data.join):
            raise ValueError(
                "preferences goes with neither preference, alignment, code_noise nor data.join: leave it out"
            )
        if self.lora is not None and self.alignment is not None:
            raise ValueError(
                "the guide of alignment reads the plain projections, not their adapters: set alignment=null"
            )
        return self
