"""Where the published model that tells Chinese readings apart (G2PW) lies, if it is there."""

from __future__ import annotations

from pathlib import Path

from gpt_sovits.core.errors import CheckpointError

NETWORKS = ("g2pW.onnx", "g2pw.onnx")
TABLES = (
    "POLYPHONIC_CHARS.txt",
    "MONOPHONIC_CHARS.txt",
    "bopomofo_to_pinyin_wo_tune_dict.json",
    "char_bopomofo_dict.json",
)
_ONNX = b"\x08"
"""Every ONNX file begins with its version number, field 1 of its description."""


def is_g2pw(folder: str | Path) -> bool:
    """Whether `folder` looks like a G2PW model, whole or not."""
    return _network(Path(folder)) is not None


def check_g2pw(folder: str | Path) -> Path:
    """The network's file in a G2PW folder whose files are all there.

    Raises:
        CheckpointError: a file is missing, empty or something else; the sentence names it.
    """
    folder = Path(folder)
    network = _network(folder)
    if network is None:
        raise CheckpointError(f"{folder} holds no G2PW model: put {NETWORKS[0]} and its tables there")
    for path in (network, *(folder / name for name in TABLES)):
        if not path.is_file() or path.stat().st_size == 0:
            raise CheckpointError(f"{path} is missing or empty: download the G2PW folder again")
    with network.open("rb") as file:
        if file.read(1) != _ONNX:
            raise CheckpointError(f"{network} is not an ONNX network: download the G2PW folder again")
    return network


def _network(folder: Path) -> Path | None:
    return next((folder / name for name in NETWORKS if (folder / name).is_file()), None)
