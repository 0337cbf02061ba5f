"""Giving a model a prompt of its own, to be continued in place of the reference."""

from __future__ import annotations

from pathlib import Path

import yaml

from gpt_sovits.core.bundle import MANIFEST, BundleManifest, OwnPrompt, find_model
from gpt_sovits.core.errors import InputError
from gpt_sovits.core.files import write_text
from gpt_sovits.pipeline.parts import load_parts
from gpt_sovits.pipeline.prompt import read_voice
from gpt_sovits.pipeline.text import end_marked, read_sentence


def give_prompt(model: str | Path, clip: Path, text: str, language: str, device: str = "auto") -> OwnPrompt:
    """Write a clip's text and codes into the `model.yaml` of a model; they replace the ones it has in this language.

    Args:
        clip: 3 to 10 seconds of clear speech, as the model is to speak.
        text: what the clip says.

    Raises:
        InputError: the text is not of that language, or clip or text cannot be used.
    """
    bundle = find_model(model)
    parts = load_parts(bundle, device)
    text = end_marked(text, language)
    told = read_sentence(parts, text, language).language
    if told != language:
        raise InputError(f"the text of the prompt is {told}, not {language}: {text!r}")
    codes = read_voice(parts, clip).codes
    assert codes is not None
    prompt = OwnPrompt(text=text, codes=tuple(codes.tolist()))
    manifest: BundleManifest = bundle.manifest.model_copy(
        update={"prompts": {**bundle.manifest.prompts, language: prompt}}
    )
    values = manifest.model_dump(mode="json", exclude_none=True, exclude_unset=True)
    write_text(
        bundle.folder / MANIFEST, yaml.safe_dump(values, sort_keys=False, allow_unicode=True, default_flow_style=None)
    )
    return prompt
