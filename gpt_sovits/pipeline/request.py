"""What may be asked of the pipeline: one schema, one set of defaults, one validation for every front end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from feature_extractor.text.cutting import COMFORTABLE
from gpt_sovits.core.bundle import MANIFEST
from gpt_sovits.core.config import Strict
from gpt_sovits.core.errors import ConfigError, InputError

Cut = Literal["auto", "cut0", "cut1", "cut2", "cut3", "cut4", "cut5"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Sampling(Strict):
    """How to speak, whatever is said; what is heard defaults to what the public GPT-SoVITS does."""

    top_k: int = Field(15, ge=1, le=1025, description="draw from the k most likely codes only; 1 is greedy")
    top_p: float = Field(1.0, gt=0, le=1, description="draw from the smallest set of codes with this probability")
    temperature: Positive = Field(1.0, description="above 1 livelier, below 1 steadier")
    repetition_penalty: Positive = Field(1.35, description="above 1 makes codes already spoken less likely")
    repeat_window: int | None = Field(
        None,
        ge=1,
        le=64,
        description="draw a code anew that fills more than a tenth of so many before it (RAS); 10 is usual",
    )
    cut: Cut = Field(
        "auto",
        description="where to cut a long text: auto at pauses, into pieces of a comfortable length; cut0 nowhere, "
        "cut1 every four sentences, cut2 every 50 characters, "
        "cut3 at Chinese full stops, cut4 at English full stops, cut5 at every punctuation mark",
    )
    cut_length: float = Field(
        COMFORTABLE,
        ge=6,
        le=200,
        description="syllables that the pieces of auto have best; none has more than twice as many",
    )
    dictionary: Path | None = Field(
        None, description="how to say words: lines language<tab>word<tab>pronunciation, read again when they change"
    )
    speed: float = Field(1.0, ge=0.25, le=4, description="1.2 speaks a fifth faster")
    pause: float = Field(0.3, ge=0, le=10, description="silence after every sentence, in seconds")
    silence: float | None = Field(
        None,
        ge=0,
        le=10,
        description="longest silence within a sentence, in seconds; before and after it a tenth of a second at most; "
        "none: as spoken",
    )
    noise_scale: float = Field(0.5, ge=0, le=2, description="spread of the decoder's prior; 0 is its mean")
    seed: int = Field(-1, ge=-1, lt=2**63, description="-1 draws one, which the result names")
    max_codes: int = Field(1500, ge=1, le=10_000, description="longest sentence, in codes of 40 ms")
    retries: int = Field(3, ge=0, le=100, description="new draws for a sentence that came out empty or never ended")
    candidates: int = Field(
        1,
        ge=1,
        le=32,
        description="draw each sentence so many times and keep the draw that reads its text best, in the judgement of "
        "models that can tell; streams are drawn once",
    )
    manner: Literal["reference", "model"] = Field(
        "reference",
        description="whose rhythm and intonation are continued: the reference's, or those of the model's own prompt in "
        "the language, where it brings one, which is clearer in voices that it has not met",
    )
    batch_size: int = Field(4, ge=1, le=1024, description="sentences spoken side by side; changes the speed only")
    batch_threshold: float = Field(0.75, ge=0, le=1, description="how alike in length sentences of a batch must be")
    compat: bool = Field(
        False,
        description="repeat the public implementation to the last quirk: a batch decoded as one long sentence, "
        "the code lost at the length limit, its text front end",
    )

    @property
    def cutting(self) -> Cut:
        """`cut`; where it is left open, `compat` cuts as the public implementation does."""
        return "cut1" if self.compat and "cut" not in self.model_fields_set else self.cut


class Request(Sampling):
    """One text to be spoken in the voice of one reference clip."""

    text: str = Field(description="what to say")
    language: str = Field("auto", description="language of the text: zh, en, ja, ko, yue, auto …")
    reference: Path = Field(description="3 to 10 seconds of the voice to clone")
    reference_text: str | None = Field(None, description="what the reference says; without it the voice alone is used")
    reference_language: str | None = Field(
        None, description="language of the reference text; as the text's when absent"
    )
    aux_references: tuple[Path, ...] = Field((), description="more clips whose timbre is averaged with the reference's")

    def advised(self, sampling: Mapping[str, int | float | str], origin: str) -> Request:
        """This request with a model's own defaults where it left an option open; `compat` keeps the public ones.

        Raises:
            ConfigError: the model recommends an option or a value that does not exist.
        """
        if self.compat or not sampling:
            return self
        given = self.model_dump(exclude_unset=True)
        try:
            return Request.model_validate({**sampling, **given})
        except ValidationError as error:
            faults = "; ".join(_fault(e["loc"], e["msg"], e["type"]) for e in error.errors())
            raise ConfigError(f"`sampling` in the {MANIFEST} of {origin} cannot be used: {faults}") from error


def parse_request(values: dict[str, Any], origin: str = "the request") -> Request:
    """Validate plain values; names that are None are left to their defaults.

    Raises:
        InputError: one sentence that names every wrong field.
    """
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return Request.model_validate(given)
    except ValidationError as error:
        faults = "; ".join(_fault(e["loc"], e["msg"], e["type"]) for e in error.errors())
        raise InputError(f"{origin} cannot be used: {faults}") from error


def _fault(place: tuple[int | str, ...], message: str, kind: str) -> str:
    name = ".".join(map(str, place))
    if kind == "missing":
        return f"{name} is missing"
    if kind == "extra_forbidden":
        return f"there is no field {name}; there are {', '.join(Request.model_fields)}"
    return f"{name}: {message[0].lower()}{message[1:]}"
