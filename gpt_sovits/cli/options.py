"""Options shared by verbs: names, help and limits come from the request's schema, and so do the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gpt_sovits.core.config import apply_overrides, load_config, parse_config
from gpt_sovits.pipeline.request import Sampling


def field(name: str) -> Any:
    """A typer option for one field of the request; without it the field keeps its default."""
    info = Sampling.model_fields[name]
    default = info.default if isinstance(info.default, str) else f"{info.default:g}"
    text = f"{info.description} (default {default})"
    return typer.Option(f"--{name.replace('_', '-')}", help=text, rich_help_panel="How to speak", show_default=False)


Model = Annotated[str, typer.Option("--model", help="a model by name, or the folder it lies in")]
S1 = Annotated[Path | None, typer.Option("--s1", help="stage 1 weights in place of the model's")]
S2 = Annotated[Path | None, typer.Option("--s2", help="stage 2 weights in place of the model's")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps")]
Language = Annotated[str | None, typer.Option("--lang", help="language of the text: zh, en, ja, ko, yue, auto …")]
Reference = Annotated[Path | None, typer.Option("--ref", help="3 to 10 seconds of the voice to clone")]
ReferenceText = Annotated[str | None, typer.Option("--ref-text", help="what the reference says")]
ReferenceLanguage = Annotated[str | None, typer.Option("--ref-lang", help="its language (default: as the text's)")]
Auxiliary = Annotated[list[Path] | None, typer.Option("--aux-ref", help="more clips of the voice; may be repeated")]
Config = Annotated[Path | None, typer.Option("--config", help="YAML with values for the options below")]
Set = Annotated[list[str] | None, typer.Option("--set", help="name=value on top of it; may be repeated")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="say more on stderr")]

TopK = Annotated[int | None, field("top_k")]
TopP = Annotated[float | None, field("top_p")]
Temperature = Annotated[float | None, field("temperature")]
Penalty = Annotated[float | None, field("repetition_penalty")]
Cut = Annotated[str | None, field("cut")]
CutLength = Annotated[float | None, field("cut_length")]
Dictionary = Annotated[
    Path | None,
    typer.Option(
        "--dictionary",
        envvar="GPT_SOVITS_DICTIONARY",
        help="how to say words: a file of lines language<tab>word<tab>pronunciation",
    ),
]
Speed = Annotated[float | None, field("speed")]
Pause = Annotated[float | None, field("pause")]
NoiseScale = Annotated[float | None, field("noise_scale")]
Seed = Annotated[int | None, field("seed")]
MaxCodes = Annotated[int | None, field("max_codes")]
Retries = Annotated[int | None, field("retries")]
Candidates = Annotated[int | None, field("candidates")]
Manner = Annotated[str | None, field("manner")]
BatchSize = Annotated[int | None, field("batch_size")]


def settings(config: Path | None, overrides: list[str] | None, given: dict[str, Any]) -> dict[str, Any]:
    """Values for the request: the file's, then `--set`, then the options themselves.

    Raises:
        ConfigError: a name that is no field, or a value outside its limits.
    """
    if config is None:
        sampling = parse_config(Sampling, apply_overrides({}, overrides or ()), "--set")
    else:
        sampling = load_config(Sampling, config, overrides or ())
    values = sampling.model_dump(exclude_unset=True)
    return {**values, **{name: value for name, value in given.items() if value is not None}}
