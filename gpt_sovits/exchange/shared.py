"""Parts that many models use: content encoder, Chinese BERT, speaker encoder, vocoders, polyphone tables."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from safetensors.torch import save_file

from gpt_sovits.core.bundle import SHARED
from gpt_sovits.core.checkpoint import load_checkpoint, save_checkpoint
from gpt_sovits.core.errors import CheckpointError, StorageError
from gpt_sovits.core.foreign import read_folder
from gpt_sovits.core.public import read_release
from gpt_sovits.exchange.recognise import Recognised, bare, sha256

HUBERT, BERT, SPEAKER = "chinese-hubert-base", "chinese-roberta-wwm-ext-large", "eres2netv2"
POLYPHONES = "G2PWModel"
_POLYPHONE_FILES = (
    "g2pW.onnx",
    "POLYPHONIC_CHARS.txt",
    "MONOPHONIC_CHARS.txt",
    "bopomofo_to_pinyin_wo_tune_dict.json",
    "char_bopomofo_dict.json",
)
_BERT_FILES = ("config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json")
_ORIGIN = "origin.yaml"


def shared_name(found: Recognised) -> str:
    """The name under which models refer to a part of this kind."""
    if found.stage == "vocoder":
        return "bigvgan_v2_24khz_100band_256x" if "weight norm" in found.parts else "v4-vocoder"
    return {"hubert": HUBERT, "bert": BERT, "speaker": SPEAKER}[found.stage]


def take_in_shared(found: Recognised, place: Path, name: str | None = None) -> tuple[Path, bool]:
    """Store a part for all models.

    Returns:
        Where it is, and whether it is new; the same file taken in twice changes nothing.

    Raises:
        CheckpointError: it is damaged, or another part has this name.
    """
    name = name or shared_name(found)
    digest = found.sha256 or folder_digest(found.path)
    folder = place / SHARED
    for path in (folder / name, folder / f"{name}.safetensors"):
        if path.exists():
            if _known_digest(path) == digest:
                return path, False
            raise CheckpointError(
                f"another part is called {name} already: remove it with `gpt-sovits models remove shared:{name}`, "
                "or give this one another name with --name"
            )
    return _WRITERS[found.stage](found, folder / name, digest), True


def take_in_polyphones(source: Path, place: Path) -> tuple[Path, bool]:
    """Copy the polyphone network of the public Chinese front end; of its folder only data, no program."""
    target = place / SHARED / POLYPHONES
    if target.exists():
        return target, False
    with building(target) as folder:
        for name in _POLYPHONE_FILES:
            if (source / name).is_file():
                shutil.copyfile(source / name, folder / name)
    return target, True


@contextmanager
def building(target: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `target` when all is done; an interrupted one leaves nothing.

    Raises:
        CheckpointError: `target` exists.
        StorageError: the disk is full or not writable.
    """
    if target.exists():
        raise CheckpointError(f"{target} exists already: choose another name with --name, or remove it first")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name[:40]}."))
        try:
            yield temporary
            temporary.chmod(0o755)
            temporary.rename(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror or error}") from error


def folder_digest(folder: Path) -> str:
    """SHA-256 over the weights of a Hugging Face folder."""
    names = sorted(p for p in folder.iterdir() if p.suffix in {".safetensors", ".bin"} and p.is_file())
    return "+".join(sha256(path) for path in names)


def _known_digest(path: Path) -> str | None:
    if path.is_dir():
        try:
            found = yaml.safe_load((path / _ORIGIN).read_text(encoding="utf8"))
        except (OSError, yaml.YAMLError):
            return None
        return found.get("sha256") if isinstance(found, dict) else None
    digest: str | None = load_checkpoint(path).info.get("sha256")
    return digest


def _hubert(found: Recognised, target: Path, digest: str) -> Path:
    from feature_extractor.hubert import load_hubert, save_hubert

    path = target.with_name(f"{target.name}.safetensors")
    save_hubert(path, load_hubert(found.path), {"sha256": digest, "file": found.path.name})
    return path


def _speaker(found: Recognised, target: Path, digest: str) -> Path:
    from feature_extractor.speaker import load_speaker, save_speaker

    path = target.with_name(f"{target.name}.safetensors")
    save_speaker(path, load_speaker(found.path), {"sha256": digest, "file": found.path.name})
    return path


def _bert(found: Recognised, target: Path, digest: str) -> Path:
    from feature_extractor.bert import load_bert

    if not found.path.is_dir():
        raise CheckpointError(
            f"{found.path} is a BERT without its folder: import the folder that holds config.json too"
        )
    with building(target) as folder:
        for name in _BERT_FILES:
            if (found.path / name).is_file():
                shutil.copyfile(found.path / name, folder / name)
        tensors = {n: t.clone() for n, t in read_folder(found.path).items() if not n.startswith("cls.")}
        save_file(tensors, folder / "model.safetensors")
        load_bert(folder)
        (folder / _ORIGIN).write_text(yaml.safe_dump({"sha256": digest, "file": found.path.name}), encoding="utf8")
    return target


def _vocoder(found: Recognised, target: Path, digest: str) -> Path:
    path, beside = target.with_name(f"{target.name}.safetensors"), found.path.with_name("config.json")
    config = found.config
    if not config and beside.is_file():
        config = json.loads(beside.read_text(encoding="utf8"))
    tensors = bare(read_release(found.path).tensors)
    save_checkpoint(path, "vocoder", config, tensors, {"sha256": digest, "file": found.path.name})
    return path


_WRITERS: dict[str, Callable[[Recognised, Path, str], Path]] = {
    "hubert": _hubert,
    "bert": _bert,
    "speaker": _speaker,
    "vocoder": _vocoder,
}
