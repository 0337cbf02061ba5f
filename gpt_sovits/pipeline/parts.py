"""The networks of one voice model, loaded and checked against each other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

import ar.fast
import sovits.fast
from ar import Text2SemanticDecoder, load_text2semantic
from ar.kernels.native import Precision
from ar.reader import CodeReader, load_reader
from feature_extractor.bert import BertFeatures, load_bert
from feature_extractor.content import ContentEncoder, load_content
from feature_extractor.speaker import SpeakerEncoder, load_speaker
from feature_extractor.text import symbol_table
from gpt_sovits.core.bundle import Bundle, BundleManifest, OwnPrompt, find_model
from gpt_sovits.core.device import pick_device
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.lora import Stage, Switch, load_adapter
from sovits import Synthesizer, load_sovits


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that speaking needs, on one device and in evaluation mode."""

    name: str
    symbols: str
    languages: tuple[str, ...]
    device: torch.device
    hubert: ContentEncoder
    text2semantic: Text2SemanticDecoder
    synthesizer: Synthesizer
    bert: BertFeatures | None = None
    speaker: SpeakerEncoder | None = None
    reader: CodeReader | None = None
    prompt_silence: float = 0.6
    prompts: Mapping[str, OwnPrompt] = field(default_factory=dict)
    """What it can continue in place of a reference, by language, see BundleManifest."""
    sampling: Mapping[str, int | float | str] = field(default_factory=dict)
    """What this model speaks best with, see BundleManifest."""
    front_end: Literal["own", "public"] = "own"
    """How text is read, see BundleManifest."""
    fingerprint: str = ""
    """Tells these weights from others: changes when a file is replaced."""
    files: tuple[Path, ...] = ()
    """The weights without adapters; voices over the same ones can be switched, see `gpt_sovits.pipeline.voices`."""
    switches: dict[Stage, Switch] = field(default_factory=dict)
    precision: Precision = "float32"


def load_parts(
    model: str | Path | Bundle,
    device: str = "auto",
    s1: Path | None = None,
    s2: Path | None = None,
    dtype: str | torch.dtype = "auto",
    precision: Precision = "float32",
) -> Parts:
    """Load a model; `s1` and `s2` take the place of its own stages, such as after fine-tuning.

    Args:
        dtype: number format of the two stages; auto: half precision on a CUDA device, float32 elsewhere.
        precision: of the hot loops of float32 stages on a CPU: bfloat16 for both, or int8 for stage 1 and bfloat16 for
            stage 2 where the processor multiplies in it. A published vocoder is then computed in it in any case.

    Raises:
        CheckpointError: a part is missing, damaged, or does not fit the others.
    """
    bundle = model if isinstance(model, Bundle) else find_model(model)
    place = pick_device(device)
    manifest = bundle.manifest
    bert, speaker, reader = bundle.part("bert"), bundle.part("speaker"), bundle.part("reader")
    adapters: dict[Stage, Path | None] = {
        "s1": bundle.part("s1_adapter") if s1 is None else None,
        "s2": bundle.part("s2_adapter") if s2 is None else None,
    }
    hubert, s1, s2 = bundle.need("hubert"), s1 or bundle.need("s1"), s2 or bundle.need("s2")
    files = tuple(path for path in (hubert, s1, s2, bert, speaker, reader) if path is not None)
    synthesizer = load_sovits(s2, fuse=True, device=place, dtype=dtype)
    parts = Parts(
        name=manifest.name,
        symbols=manifest.symbols,
        languages=manifest.languages,
        device=place,
        hubert=load_content(hubert).to(place).eval(),
        text2semantic=load_text2semantic(s1, place, dtype),
        synthesizer=synthesizer,
        bert=None if bert is None else load_bert(bert).to(place).eval(),
        speaker=None if speaker is None else load_speaker(speaker).to(place).eval(),
        reader=_reader(reader, synthesizer, place),
        prompt_silence=manifest.prompt_silence,
        prompts=manifest.prompts,
        sampling=manifest.sampling,
        front_end=manifest.front_end,
        fingerprint=fingerprint(manifest, [*files, *(path for path in adapters.values() if path is not None)]),
        files=files,
        precision=precision,
    )
    parts.switches.update({"s1": Switch(parts.text2semantic), "s2": Switch(parts.synthesizer)})
    _check(parts)
    adapt(parts, adapters)
    return parts


def _reader(path: Path | None, synthesizer: Synthesizer, device: torch.device) -> CodeReader | None:
    """The model's own, or else that by which its stage 2 follows the text."""
    if path is not None:
        return load_reader(path).to(device)
    if synthesizer.reader is None:
        return None
    return CodeReader.of(synthesizer.reader, synthesizer.quantizer.codebook).to(device)


def adapt(parts: Parts, adapters: Mapping[Stage, Path | None]) -> None:
    """Change the stages by adapters, or back to what they are without.

    Raises:
        CheckpointError: an adapter is damaged or does not fit; the stages are then without.
    """
    network = parts.synthesizer
    fast = network.generator
    sovits.fast.undo(network)
    try:
        for stage, path in adapters.items():
            parts.switches[stage].use(None if path is None else load_adapter(path, stage))
    except CheckpointError:
        for switch in parts.switches.values():
            switch.use(None)
        raise
    finally:
        if parts.text2semantic.head.weight.dtype == torch.float32:
            ar.fast.prepare(parts.text2semantic, parts.precision)
        if not any(name.startswith("generator.") for name in parts.switches["s2"].plain):
            network.generator = fast
        own = parts.precision == "float32" and not sovits.fast.wins(network)
        sovits.fast.prepare(network, torch.float32 if own else None)


def fingerprint(manifest: BundleManifest, paths: Sequence[Path]) -> str:
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    states = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return f"{manifest.name}-{hashlib.sha256(repr((manifest, states)).encode()).hexdigest()[:16]}"


def _check(parts: Parts) -> None:
    width, wanted = parts.hubert.width, parts.synthesizer.config.quantizer.width
    if width != wanted:
        raise CheckpointError(
            f"the parts of {parts.name} do not fit: its content encoder is {width} wide, its stage 2 reads {wanted}"
        )
    if parts.synthesizer.config.speaker is not None and parts.speaker is None:
        raise CheckpointError(
            f"stage 2 of {parts.name} needs a speaker encoder: name its weights as speaker in model.yaml"
        )
    if parts.reader is not None and parts.reader.config.codes != parts.synthesizer.config.quantizer.codes:
        raise CheckpointError(f"the reader of {parts.name} was made for other codes than its stage 2 reads")
    codes = parts.synthesizer.config.quantizer.codes
    for language, prompt in parts.prompts.items():
        if max(prompt.codes) >= codes:
            raise CheckpointError(
                f"the prompt of {parts.name} for {language} has the code {max(prompt.codes)}, but there are {codes}: "
                "make it anew with `gpt-sovits models prompt`"
            )
    count = len(symbol_table(parts.symbols))
    for stage, symbols in (("1", parts.text2semantic.config.phones), ("2", parts.synthesizer.config.phonemes)):
        if symbols < count:
            raise CheckpointError(
                f"stage {stage} of {parts.name} knows {symbols} phones, its symbol table {parts.symbols} has {count}: "
                "use weights of the same version"
            )
