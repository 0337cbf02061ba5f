"""Chinese words with their parts of speech, by jieba."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Word:
    """A word and its part of speech in jieba's letters (n noun, v verb, a adjective, d adverb, u particle ...)."""

    text: str
    tag: str


class Segmenter:
    """jieba with its own dictionary in memory; no cache file is read or written."""

    def __init__(self) -> None:
        jieba = import_module("jieba")
        posseg = import_module("jieba.posseg")
        frequencies, tags, total = _read_dictionary(jieba.dt)
        tokenizer = jieba.Tokenizer()
        tokenizer.FREQ, tokenizer.total, tokenizer.initialized = frequencies, total, True
        self._tokenizer = tokenizer
        tagger = posseg.POSTokenizer.__new__(posseg.POSTokenizer)
        tagger.tokenizer, tagger.word_tag_tab = tokenizer, tags
        self._tagger = tagger

    def words(self, text: str) -> list[Word]:
        """Cut a text into tagged words."""
        return [Word(pair.word, pair.flag) for pair in self._tagger.lcut(text)]

    def subwords(self, word: str) -> list[str]:
        """The shorter dictionary words inside a word, then the word itself."""
        return list(self._tokenizer.cut_for_search(word))


@lru_cache(maxsize=1)
def segmenter() -> Segmenter:
    """The segmenter, loaded once."""
    return Segmenter()


def _read_dictionary(tokenizer: Any) -> tuple[dict[str, int], dict[str, str], int]:
    """Frequencies with all prefixes (0 for those that are no word), tags, and the sum of frequencies."""
    with tokenizer.get_dict_file() as file:
        lines = file.read().decode("utf8").splitlines()
    frequencies: dict[str, int] = {}
    tags: dict[str, str] = {}
    total = 0
    for line in lines:
        word, count, tag = line.split(" ")
        frequencies[word] = int(count)
        tags[word] = tag
        total += int(count)
    for word in tags:
        for end in range(len(word) - 1, 0, -1):
            if word[:end] in frequencies:
                break
            frequencies[word[:end]] = 0
    return frequencies, tags, total
