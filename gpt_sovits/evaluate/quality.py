"""DNSMOS P.835 (Reddy et al. 2022): how a listener would rate speech, background and the whole, from 1 to 5."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from gpt_sovits.core.errors import AudioError, MissingExtraError
from gpt_sovits.evaluate.item import HEARING_RATE, Card, Clip, Item, Value
from gpt_sovits.evaluate.locate import checksum

WINDOW = int(9.01 * HEARING_RATE)
COLUMNS = ("dnsmos_speech", "dnsmos_background", "dnsmos")
_CALIBRATION = (
    (-0.08397278, 1.22083953, 0.0052439),
    (-0.13166888, 1.60915514, -0.39604546),
    (-0.06766283, 1.11546468, 0.04602535),
)
"""Published polynomials from the network's three outputs to the scale of listeners."""


class Dnsmos:
    """The published network on windows of 9.01 s every second; a shorter clip is repeated until it fills one."""

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError("onnxruntime", "eval", "DNSMOS") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._name = self._session.get_inputs()[0].name
        self.card = Card(
            measure="quality",
            model=f"DNSMOS P.835 {path.name}",
            version=f"speechmos {version('speechmos')}, onnxruntime {onnxruntime.__version__}",
            sha256=checksum(path),
        )

    def score(self, clip: Clip) -> dict[str, Value]:
        wave = clip.sound.heard.numpy().clip(-1, 1)
        if not np.any(wave):
            raise AudioError(f"{clip.sound.path} is silent: its quality cannot be told")
        while len(wave) < WINDOW:  # as the published script does: doubled, not cut to fit
            wave = np.concatenate((wave, wave))
        raw = [self._run(window) for window in windows(wave)]
        scores = np.mean([[np.polyval(p, x) for p, x in zip(_CALIBRATION, row, strict=True)] for row in raw], axis=0)
        return {name: float(value) for name, value in zip(COLUMNS, scores, strict=True)}

    def failed(self, item: Item) -> dict[str, Value]:
        return dict.fromkeys(COLUMNS, 1.0)

    def _run(self, window: np.ndarray) -> np.ndarray:
        return self._session.run(None, {self._name: window[None].astype(np.float32)})[0][0]


def windows(wave: np.ndarray) -> list[np.ndarray]:
    """Whole windows that start at whole seconds."""
    count = int(len(wave) // HEARING_RATE - 9.01) + 1
    starts = [i * HEARING_RATE for i in range(max(count, 1))]
    return [wave[start : start + WINDOW] for start in starts if start + WINDOW <= len(wave)]


def load_dnsmos() -> Dnsmos:
    """The network that the package speechmos carries.

    Raises:
        MissingExtraError: the package is not installed.
    """
    spec = find_spec("speechmos")
    if spec is None or spec.origin is None:
        raise MissingExtraError("speechmos", "eval", "DNSMOS")
    return Dnsmos(Path(spec.origin).parent / "dnsmos_models" / "sig_bak_ovr.onnx")
