"""Spelling to sound for words in no dictionary: the encoder-decoder GRU published with g2p_en, in NumPy."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from feature_extractor.text.en.lexicon import g2p_en_folder

_LETTERS = ["<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz"]
_VOWELS = {"AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"}
_CONSONANTS = [
    "B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T", "TH", "V", "W",
    "Y", "Z", "ZH",
]  # fmt: skip
_START, _END, _SPECIAL = 2, 3, 4
_LONGEST = 20

Array = NDArray[np.float32]


class SpellingToSound:
    """Greedy decoding, at most 20 phones as published."""

    def __init__(self) -> None:
        with np.load(g2p_en_folder() / "checkpoint20.npz") as data:
            self._w: dict[str, Array] = {key: np.ascontiguousarray(data[key]) for key in data.files}
        stressed = [f"{vowel}{stress}" for vowel in _VOWELS for stress in "012"]
        self._phones = ["", "", "", "", *sorted([*_CONSONANTS, *stressed, "UW"])]

    def __call__(self, word: str) -> list[str]:
        """Phones of a lower-case word; letters outside a-z count as unknown."""
        w = self._w
        letters = [_LETTERS.index(letter) if letter in _LETTERS else 1 for letter in word] + [2]
        state = np.zeros(w["enc_w_hh"].shape[1], np.float32)
        for letter in letters:
            state = self._step("enc", w["enc_emb"][letter], state)
        phones: list[str] = []
        last = _START
        for _ in range(_LONGEST):
            state = self._step("dec", w["dec_emb"][last], state)
            last = int((w["fc_w"] @ state + w["fc_b"]).argmax())
            if last == _END:
                break
            if last >= _SPECIAL:
                phones.append(self._phones[last])
        return phones

    def _step(self, name: str, x: Array, state: Array) -> Array:
        w = self._w
        width = state.shape[0]
        inner = w[f"{name}_w_ih"] @ x + w[f"{name}_b_ih"]
        outer = w[f"{name}_w_hh"] @ state + w[f"{name}_b_hh"]
        gates = 1.0 / (1.0 + np.exp(-(inner[: 2 * width] + outer[: 2 * width])))
        reset, update = gates[:width], gates[width:]
        candidate = np.tanh(inner[2 * width :] + reset * outer[2 * width :])
        return (1.0 - update) * candidate + update * state


@lru_cache(maxsize=1)
def spelling_to_sound() -> SpellingToSound:
    """The network, loaded once."""
    return SpellingToSound()
