"""G2PW, the network that tells readings of a character apart by its sentence, where its folder has been put.

The folder is the published G2PWModel: `g2pW.onnx`, `POLYPHONIC_CHARS.txt`, `MONOPHONIC_CHARS.txt` and the tables of
bopomofo; the vocabulary is that of the Chinese BERT, in either folder. It is not shipped, and nothing is downloaded.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from feature_extractor.g2pw import check_g2pw, is_g2pw
from feature_extractor.text.yue.characters import traditional
from gpt_sovits.core.bundle import find_shared
from gpt_sovits.core.errors import CheckpointError, MissingExtraError

_WINDOW = 32
_BERT = "chinese-roberta-wwm-ext-large"
_VOCABULARY = "vocab.txt"


@lru_cache(maxsize=1)
def polyphone_network() -> PolyphoneNetwork | None:
    """The network among the shared parts of the models, or None where it is not installed."""
    folder, bert = find_shared("G2PWModel"), find_shared(_BERT)
    if folder is None or not is_g2pw(folder):
        return None
    return load_polyphone_network(folder, bert)


def load_polyphone_network(folder: Path, bert: Path | None = None) -> PolyphoneNetwork:
    """Load a G2PW folder; `bert` is where the vocabulary is, if not in that folder.

    Raises:
        CheckpointError: a file is missing or damaged, or there is no vocabulary.
        MissingExtraError: onnxruntime is not installed.
    """
    network = check_g2pw(folder)
    places = [place / _VOCABULARY for place in (folder, bert) if place is not None]
    vocabulary = next((path for path in places if path.is_file()), None)
    if vocabulary is None:
        raise CheckpointError(f"{folder} has no {_VOCABULARY}: put that of {_BERT} there")
    try:
        runtime = import_module("onnxruntime")
    except ImportError:
        raise MissingExtraError("onnxruntime", "export", "reading Chinese with G2PW") from None
    failures = vars(import_module("onnxruntime.capi.onnxruntime_pybind11_state"))
    unusable = tuple(failures[name] for name in ("Fail", "InvalidGraph", "InvalidProtobuf", "NotImplemented"))
    try:
        session = runtime.InferenceSession(str(network), providers=["CPUExecutionProvider"])
    except unusable as error:
        raise CheckpointError(f"{network} cannot be used: download the G2PW folder again ({error})") from None
    pairs = [line.split("\t") for line in _lines(folder / "POLYPHONIC_CHARS.txt")]
    labels = sorted({label for _, label in pairs})
    index = {label: i for i, label in enumerate(labels)}
    readings: dict[str, list[int]] = {}
    for char, label in pairs:
        readings.setdefault(char, []).append(index[label])
    spellings = json.loads((folder / "bopomofo_to_pinyin_wo_tune_dict.json").read_text(encoding="utf8"))
    syllables = [f"{spellings.get(label[:-1], '')}{label[-1]}".replace("ü", "v") for label in labels]
    tokens = {token: i for i, token in enumerate(vocabulary.read_text(encoding="utf8").splitlines())}
    return PolyphoneNetwork(session, syllables, readings, {c: i for i, c in enumerate(sorted(readings))}, tokens)


@dataclass(frozen=True, eq=False)
class PolyphoneNetwork:
    """The network with its tables; `read` is all there is to it."""

    session: Any
    syllables: list[str]
    readings: dict[str, list[int]]
    characters: dict[str, int]
    tokens: dict[str, int]

    def read(self, sentence: str) -> list[str | None]:
        """Pinyin with a tone digit of every character that has several readings; None for the others."""
        sentence = traditional(sentence)  # which it was trained on
        places = [i for i, char in enumerate(sentence) if char in self.readings]
        result: list[str | None] = [None] * len(sentence)
        if places:
            chosen = self._scores(sentence, places).argmax(-1)
            for place, label in zip(places, chosen.tolist(), strict=True):
                syllable = self.syllables[label]
                result[place] = syllable if len(syllable) > 1 else None
        return result

    def _scores(self, sentence: str, places: list[int]) -> np.ndarray:
        """A row of the network's probabilities for each place, from the characters around it."""
        starts = [max(place - _WINDOW // 2, 0) for place in places]
        windows = [sentence[start : place + _WINDOW // 2] for start, place in zip(starts, places, strict=True)]
        width = max(map(len, windows)) + 2
        ids = np.zeros((len(places), width), dtype=np.int64)
        attention = np.zeros_like(ids)
        unknown = self.tokens["[UNK]"]
        for row, window in enumerate(windows):
            inner = [self.tokens.get(char.lower(), unknown) for char in window]
            ids[row, : len(window) + 2] = [self.tokens["[CLS]"], *inner, self.tokens["[SEP]"]]
            attention[row, : len(window) + 2] = 1
        legal = np.zeros((len(places), len(self.syllables)), dtype=np.float32)
        for row, place in enumerate(places):
            legal[row, self.readings[sentence[place]]] = 1
        values = {
            "input_id": ids,
            "token_type_id": np.zeros_like(ids),
            "attention_mask": attention,
            "phoneme_mask": legal,
            "char_id": np.array([self.characters[sentence[place]] for place in places]),
            "position_id": np.array([place - start + 1 for start, place in zip(starts, places, strict=True)]),
        }
        # The two published exports differ in whether the inputs' names are in the plural.
        inputs = {item.name: values[item.name.removesuffix("s")] for item in self.session.get_inputs()}
        scores: np.ndarray = self.session.run([], inputs)[0]
        return scores * legal


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf8").splitlines() if line.count("\t") == 1]
