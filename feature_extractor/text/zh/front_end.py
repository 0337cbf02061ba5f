"""The Chinese front end."""

from __future__ import annotations

import re

from feature_extractor.text.analysis import Reading
from feature_extractor.text.zh.erhua import merge_erhua
from feature_extractor.text.zh.pinyin import chinese_syllables, phrases, word_syllables
from feature_extractor.text.zh.public_normalise import normalise as public_normalise
from feature_extractor.text.zh.sandhi import change_tones, merge_words
from feature_extractor.text.zh.segment import segmenter
from feature_extractor.text.zh.syllables import is_syllable, syllable_phones

_SENTENCE = re.compile(r"[^!?…,.\-]*(?:[!?…,.\-]|$)")
_PAUSES = {"￥": "SP2", "^": "SP3"}


def read_chinese(text: str, symbols: str, compat: bool) -> Reading:
    """Phones of Chinese text.

    With `compat` a `￥` or `^` turns every comma of the text into SP2 or SP3, as the public front end does.
    """
    pause = next((mark for mark in _PAUSES if mark in text), None) if compat else None
    normalised = public_normalise(text.replace(pause, ",") if pause else text)
    phones: list[str] = []
    word2ph: list[int] = []
    for sentence in filter(None, _SENTENCE.findall(normalised)):
        for syllable in _public_syllables(sentence, symbols):
            sounds = list(syllable_phones(syllable)) if is_syllable(syllable) else [syllable]
            phones.extend(sounds)
            word2ph.append(len(sounds))
    if pause:
        phones = [_PAUSES[pause] if phone == "," else phone for phone in phones]
    return Reading(phones, normalised, word2ph)


def _public_syllables(sentence: str, symbols: str) -> list[str]:
    words = merge_words(segmenter().words(sentence), chinese_syllables)
    whole = list(word_syllables(sentence)) if symbols != "v1" else []
    result: list[str] = []
    for word in words:
        if symbols == "v1":
            syllables = list(word_syllables(word.text))
        else:
            syllables = whole[len(result) : len(result) + len(word.text)]
            syllables = phrases().get(word.text, syllables)
        if all(map(is_syllable, syllables)):
            syllables = change_tones(word, syllables)
            if symbols != "v1":
                syllables = merge_erhua(word, syllables)
        result.extend(syllables)
    return result
