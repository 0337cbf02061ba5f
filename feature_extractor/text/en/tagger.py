"""Part-of-speech tags by an averaged perceptron (Collins 2002), with the weights published with NLTK.

The score of a tag is a sum of one weight per feature. Features of the words alone are summed once per word;
only those of the tags just given are added word by word. Weights are whole thousandths, so any order gives one result;
where two tags tie, the sum is done once more in floats, feature by feature, since there the published tagger's rounding
decides.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from feature_extractor.text.characters import read_pairs
from feature_extractor.text.tables import SortedTable
from gpt_sovits.core.resources import resource

_TAGS = (
    "$", "''", "CC", "CD", "DT", "EX", "FW", "IN", "JJ", "JJR", "JJS", "LS", "MD", "NN", "NNP", "NNPS", "NNS", "PDT",
    "POS", "PRP", "PRP$", "RB", "RBR", "RBS", "RP", "SYM", "TO", "UH", "VB", "VBD", "VBG", "VBN", "VBP", "VBZ", "WDT",
    "WP", "WRB", "``",
)  # fmt: skip
_PLACES = {tag: place for place, tag in enumerate(_TAGS)}
_BEFORE, _AFTER = ("-START-", "-START2-"), ("-END-", "-END2-")

Scores = NDArray[np.int32]


class Tagger:
    """Greedy left-to-right tagger; weights stay in their file until a feature is met."""

    def __init__(self) -> None:
        folder = resource("res", "text", "en")
        self._table = SortedTable(folder / "tagger_weights.tsv")
        self._words = read_pairs(folder / "tagger_words.tsv")
        self._bias = self._sum("bias")
        self._own = lru_cache(maxsize=8192)(self._word_scores)
        self._near = lru_cache(maxsize=8192)(self._neighbour_scores)
        self._bound = lru_cache(maxsize=16384)(self._tag_and_word_scores)
        self._before = lru_cache(maxsize=4096)(self._tags_scores)

    def __call__(self, words: list[str]) -> list[str]:
        """Return one Penn Treebank tag for each word."""
        context = [*_BEFORE, *map(_normalise, words), *_AFTER]
        near = [self._near(word) for word in context]
        tags: list[str] = []
        previous, second = _BEFORE
        for i, word in enumerate(words):
            tag = self._words.get(word)
            if tag is None:
                scores = self._own(word, context[i + 2]) + near[i + 1][0]
                scores = scores + near[i][1] + near[i + 3][2] + near[i + 4][3]
                scores = scores + self._before(previous, second) + self._bound(previous, context[i + 2])
                best = scores.argmax()
                tag = _TAGS[best]
                if np.count_nonzero(scores == scores[best]) > 1:
                    tag = self._break_tie(_features(i + 2, word, context, previous, second))
            tags.append(tag)
            previous, second = tag, previous
        return tags

    def _word_scores(self, word: str, normal: str) -> Scores:
        return self._bias + self._sum(f"i suffix {word[-3:]}", f"i pref1 {word[:1]}", f"i word {normal}")

    def _neighbour_scores(self, normal: str) -> tuple[Scores, Scores, Scores, Scores]:
        """Scores of a word standing one and two places before, and one and two after."""
        suffix = normal[-3:]
        return (
            self._sum(f"i-1 word {normal}", f"i-1 suffix {suffix}"),
            self._sum(f"i-2 word {normal}"),
            self._sum(f"i+1 word {normal}", f"i+1 suffix {suffix}"),
            self._sum(f"i+2 word {normal}"),
        )

    def _tags_scores(self, previous: str, second: str) -> Scores:
        return self._sum(f"i-1 tag {previous}", f"i-2 tag {second}", f"i tag+i-2 tag {previous} {second}")

    def _tag_and_word_scores(self, previous: str, normal: str) -> Scores:
        return self._sum(f"i-1 tag+i word {previous} {normal}")

    def _break_tie(self, features: list[str]) -> str:
        scores = dict.fromkeys(_TAGS, 0.0)
        for feature in features:
            for tag, weight in self._weights(feature):
                scores[tag] += weight
        return max(_TAGS, key=lambda tag: (scores[tag], tag))

    def _sum(self, *features: str) -> Scores:
        """Added weights of the features, in thousandths."""
        total = np.zeros(len(_TAGS), np.int32)
        for feature in features:
            for tag, weight in self._weights(feature):
                total[_PLACES[tag]] += round(weight * 1000)
        return total

    def _weights(self, feature: str) -> list[tuple[str, float]]:
        fields = self._table.get(feature).split()
        return [(tag, float(weight)) for tag, weight in zip(fields[::2], fields[1::2], strict=True)]


@lru_cache(maxsize=1)
def tagger() -> Tagger:
    """The tagger, opened once."""
    return Tagger()


def _normalise(word: str) -> str:
    if "-" in word and word[0] != "-":
        return "!HYPHEN"
    if word.isdigit() and len(word) == 4:
        return "!YEAR"
    return "!DIGITS" if word and word[0].isdigit() else word.lower()


def _features(i: int, word: str, context: list[str], previous: str, second: str) -> list[str]:
    """All features of a word in the order of the published tagger."""
    return [
        "bias",
        f"i suffix {word[-3:]}",
        f"i pref1 {word[:1]}",
        f"i-1 tag {previous}",
        f"i-2 tag {second}",
        f"i tag+i-2 tag {previous} {second}",
        f"i word {context[i]}",
        f"i-1 tag+i word {previous} {context[i]}",
        f"i-1 word {context[i - 1]}",
        f"i-1 suffix {context[i - 1][-3:]}",
        f"i-2 word {context[i - 2]}",
        f"i+1 word {context[i + 1]}",
        f"i+1 suffix {context[i + 1][-3:]}",
        f"i+2 word {context[i + 2]}",
    ]
