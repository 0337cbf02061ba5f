"""What the semantic token model is made of."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gpt_sovits.core.config import Strict


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
    embedding_dropout: float = Field(default=0.0, ge=0, lt=1)
    position_dropout: float = Field(default=0.1, ge=0, lt=1)
    layer_dropout: float = Field(default=0.1, ge=0, lt=1)
    # The public training masks the first M-L phones of a text of L in a batch of M although the padding comes last, so
    # pads are read and real phones hidden, and it asks for the end mark at every padded code. "right" hides exactly
    # the padding and asks for the end mark once. Inference is the same under both.
    mask: Literal["public", "right"] = "right"
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
