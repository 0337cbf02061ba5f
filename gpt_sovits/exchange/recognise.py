"""What a model file is, told from its content: never from its name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from gpt_sovits.core.checkpoint import load_checkpoint
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.foreign import ForeignFile, read_folder
from gpt_sovits.core.public import Release, is_ours, read_release
from gpt_sovits.exchange.families import FLOW_FAMILIES, HEADS, PUBLISHED, SPEAKING, V1_ROWS
from sovits.published import V1_PHONES, family_of

PARTS = {
    "s1": (
        ("text", "ar_text_embedding."),
        ("BERT projection", "bert_proj."),
        ("layers", "h.layers."),
        ("head", "ar_predict"),
    ),
    "s2": (
        ("prior", "enc_p."),
        ("posterior", "enc_q."),
        ("flow", "flow."),
        ("generator", "dec."),
        ("diffusion transformer", "cfm."),
        ("bridge", "bridge."),
        ("style", "ref_enc."),
        ("speaker branch", "sv_emb."),
        ("codebook", "quantizer."),
    ),
    "vocoder": (("weight norm", "conv_post.weight_v"),),
}
_SIGNS = (
    ("s1", ("ar_text_embedding.word_embeddings.weight", "ar_predict_layer.weight")),
    ("s2", ("enc_p.text_embedding.weight", "ref_enc.spectral.0.fc.weight")),
    ("s2_discriminator", ("discriminators.0.convs.0.bias",)),
    ("hubert", ("feature_extractor.conv_layers.0.conv.weight",)),
    ("hubert", ("feature_extractor.conv_layers.0.0.weight",)),
    ("bert", ("embeddings.word_embeddings.weight", "encoder.layer.0.attention.self.query.weight")),
    ("speaker", ("conv1.weight", "layer1.0.conv1.weight", "bn1.weight")),
    ("vocoder", ("conv_pre.bias", "conv_post.weight", "ups.0.bias")),
    ("vocoder", ("conv_pre.bias", "conv_post.weight_v", "ups.0.0.bias")),
)
"""Tensors that tell a stage, after the prefixes below are cut off."""
_PREFIXES = ("model.", "hubert.", "bert.", "module.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """One file or folder, identified."""

    path: Path
    stage: str
    """s1, s2, s2_discriminator, hubert, bert, speaker, vocoder, or the kind of one of our files."""
    family: str | None = None
    symbols: str | None = None
    lora: bool = False
    rank: int | None = None
    container: str
    """zip, legacy, safetensors, folder or ours."""
    head: str
    """The first two bytes."""
    content: str
    """release, training state, weights only, or ours."""
    parts: tuple[str, ...] = ()
    tensors: int = 0
    parameters: int = 0
    dtype: str = ""
    info: str = ""
    published: str | None = None
    """Name of the published pretrained file that starts with the same bytes."""
    notes: tuple[str, ...] = ()
    """What could not be told from the content alone."""
    config: dict[str, Any] = field(default_factory=dict)
    bytes: int = 0
    sha256: str = ""
    use: str = ""

    def rows(self) -> list[tuple[str, str]]:
        """What a person wants to know, as names and values."""
        lora = f", LoRA of rank {self.rank}" if self.lora else ""
        rows = [
            ("file", str(self.path)),
            ("what", self.stage + (f" {self.family}" if self.family else "") + lora),
            ("symbols", self.symbols or ""),
            ("content", f"{self.content} ({self.container}, head {self.head!r})" if self.head else self.content),
            ("parts", ", ".join(self.parts)),
            ("parameters", f"{self.parameters:,} in {self.tensors} tensors, {self.dtype}"),
            ("training", self.info),
            ("published", self.published or ""),
            ("bytes", f"{self.bytes:,}" if self.bytes else ""),
            ("sha256", self.sha256),
            ("use", self.use),
            *(("note", note) for note in self.notes),
        ]
        return [(name, value) for name, value in rows if value]

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "path": str(self.path)}


def recognise(path: str | Path, *, digest: bool = True) -> Recognised:
    """Identify a model file, or a Hugging Face folder.

    Args:
        digest: whether to read the whole file for its SHA-256.

    Raises:
        CheckpointError: it is not a model, or damaged.
    """
    path = Path(path)
    if path.is_dir():
        return _folder(path)
    found = _ours(path) if is_ours(path) else _public(path, read_release(path, tensors=False))
    return _with(found, bytes=path.stat().st_size, sha256=sha256(path) if digest else "")


def recognise_release(release: Release) -> Recognised:
    """Identify a public file that is read already."""
    return _public(release.file.path, release)


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def bare(names: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors without the prefix that a wrapper around the network put before every name."""
    tensors = dict(names)
    for prefix in _PREFIXES:
        cut = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
        if any(name.startswith(prefix) for name in tensors) and len(cut) == len(tensors):
            tensors = cut
    return tensors


def _public(path: Path, release: Release) -> Recognised:
    tensors = bare(release.tensors)
    stage = _stage(tensors)
    lora = any(".lora_A." in name for name in tensors)
    if stage is None and not lora:
        few = ", ".join(sorted(tensors)[:3])
        raise CheckpointError(f"{path} is no model of GPT-SoVITS: its tensors are called {few} …")
    stage = stage or "s2"
    family, notes = _family(stage, tensors, release, path) if stage in ("s1", "s2") else (None, ())
    rank = next((t.shape[0] for name, t in tensors.items() if ".lora_A." in name), release.rank) if lora else None
    found = Recognised(
        path=path,
        stage=stage,
        family=family,
        symbols=_symbols(stage, tensors),
        lora=lora,
        rank=rank,
        container=release.file.container,
        head=release.file.head.decode("latin1"),
        content=_content(release.file),
        parts=tuple(word for word, prefix in PARTS.get(stage, ()) if any(name.startswith(prefix) for name in tensors)),
        info=release.info,
        published=_published(path)[0],
        notes=notes,
        config=release.config,
        **_counts(tensors),
    )
    return _with(found, use=_use(found))


def _stage(tensors: Mapping[str, Tensor]) -> str | None:
    return next((stage for stage, signs in _SIGNS if all(sign in tensors for sign in signs)), None)


def _symbols(stage: str, tensors: Mapping[str, Tensor]) -> str | None:
    if stage == "s1":
        return "v1" if tensors["ar_text_embedding.word_embeddings.weight"].shape[0] == V1_ROWS else "v2"
    if stage != "s2":
        return None
    table = tensors.get("enc_p.text_embedding.weight")
    return "v1" if table is not None and table.shape[0] == V1_PHONES else "v2"


def _family(
    stage: str, tensors: Mapping[str, Tensor], release: Release, path: Path
) -> tuple[str | None, tuple[str, ...]]:
    """The family, and a note where the content leaves it open."""
    symbols = _symbols(stage, tensors)
    if stage == "s1":
        return symbols, () if symbols == "v1" else ("stage 1 of v2, v2Pro, v2ProPlus, v3 and v4 are alike",)
    if not any(name.startswith("cfm.") for name in tensors):
        return family_of(tensors), ()
    named = (release.model.get("version"), release.config.get("version"))
    for hint in (*named, HEADS.get(release.file.head), _published(path)[1]):
        if hint in FLOW_FAMILIES:
            return str(hint), ()
    return "v3", ("v3 and v4 have the same tensors, and nothing else in the file tells them apart: taken for v3",)


def _published(path: Path) -> tuple[str | None, str | None]:
    with path.open("rb") as file:
        start = hashlib.md5(file.read(8192), usedforsecurity=False).hexdigest()
    return PUBLISHED.get(start, (None, None))


def _content(file: ForeignFile) -> str:
    tree = file.tree if isinstance(file.tree, dict) else {}
    if "optimizer" in tree or "optimizer_states" in tree:
        return "training state"
    return "release" if "weight" in tree else "weights only"


def _counts(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    sizes: dict[str, int] = {}
    for tensor in tensors.values():
        name = str(tensor.dtype).removeprefix("torch.")
        sizes[name] = sizes.get(name, 0) + tensor.numel()
    main = max(sizes, key=lambda name: sizes[name]) if sizes else ""
    return {"tensors": len(tensors), "parameters": sum(sizes.values()), "dtype": main}


def _ours(path: Path) -> Recognised:
    file = load_checkpoint(path)
    public = file.info.get("public", {})
    found = Recognised(
        path=path,
        stage=file.kind,
        family=public.get("family"),
        symbols=public.get("symbols"),
        container="ours",
        head="",
        content="ours",
        info=json.dumps({name: value for name, value in file.info.items() if name != "public"}, ensure_ascii=False),
        config=file.config,
        use="a part of a model folder of this project",
        **_counts(file.tensors),
    )
    return found


def _folder(path: Path) -> Recognised:
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is a folder without a readable config.json: name a model file in it") from error
    weights = bare(read_folder(path, tensors=False))
    stage = _stage(weights)
    if stage not in ("hubert", "bert"):
        raise CheckpointError(f"{path} holds neither a HuBERT nor a BERT: it cannot be used")
    found = Recognised(
        path=path, stage=stage, container="folder", head="", content="weights only", config=config, **_counts(weights)
    )
    return _with(found, use=_use(found))


def _use(found: Recognised) -> str:
    if found.stage == "s2" and found.family not in SPEAKING:
        what = f"a LoRA over the {found.family} model" if found.lora else f"a {found.family} model"
        return f"import: {what} can be kept; speaking with it is not possible yet"
    return {
        "s1": "speak and train: stage 1 of a model",
        "s2": "speak and train: stage 2 of a model"
        if "posterior" in found.parts
        else "speak: stage 2 of a model (its posterior encoder, which training needs, was left out)",
        "s2_discriminator": "train: the discriminators beside a stage 2",
        "hubert": "speak and prepare: the content encoder, shared by models",
        "bert": "speak and prepare: character features of Chinese, shared by models",
        "speaker": "speak and prepare: voice embeddings of v2Pro and v2ProPlus, shared by models",
        "vocoder": "import: the vocoder of v3 or v4; not used yet",
    }[found.stage]


def _with(found: Recognised, **changes: Any) -> Recognised:
    return replace(found, **changes)
