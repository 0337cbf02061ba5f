"""Part-of-speech tags by an averaged perceptron (Collins 2002), with the weights published with NLTK."""

from __future__ import annotations

from functools import lru_cache

from feature_extractor.text.characters import read_pairs
from gpt_sovits.core.resources import resource

_BEFORE, _AFTER = ("-START-", "-START2-"), ("-END-", "-END2-")


class Tagger:
    """Greedy left-to-right tagger; weights of a feature are parsed when it is first met."""

    def __init__(self) -> None:
        folder = resource("res", "text", "en")
        self._lines = read_pairs(folder / "tagger_weights.tsv")
        self._words = read_pairs(folder / "tagger_words.tsv")
        self._weights: dict[str, tuple[tuple[str, float], ...]] = {}

    def __call__(self, words: list[str]) -> list[str]:
        """Return one Penn Treebank tag for each word."""
        context = [*_BEFORE, *map(_normalise, words), *_AFTER]
        tags: list[str] = []
        previous, second = _BEFORE
        for i, word in enumerate(words):
            tag = self._words.get(word) or self._predict(_features(i + 2, word, context, previous, second))
            tags.append(tag)
            previous, second = tag, previous
        return tags

    def _predict(self, features: list[str]) -> str:
        scores: dict[str, float] = {}
        for feature in features:
            for tag, weight in self._weights_of(feature):
                scores[tag] = scores.get(tag, 0.0) + weight
        # Ties go to the alphabetically last tag, as in the published tagger.
        return max(scores, key=lambda tag: (scores[tag], tag)) if scores else "NN"

    def _weights_of(self, feature: str) -> tuple[tuple[str, float], ...]:
        weights = self._weights.get(feature)
        if weights is None:
            fields = self._lines.get(feature, "").split()
            weights = tuple(zip(fields[::2], map(float, fields[1::2]), strict=True))
            if weights:
                self._weights[feature] = weights
        return weights


@lru_cache(maxsize=1)
def tagger() -> Tagger:
    """The tagger, loaded once."""
    return Tagger()


def _normalise(word: str) -> str:
    if "-" in word and word[0] != "-":
        return "!HYPHEN"
    if word.isdigit() and len(word) == 4:
        return "!YEAR"
    return "!DIGITS" if word and word[0].isdigit() else word.lower()


def _features(i: int, word: str, context: list[str], previous: str, second: str) -> list[str]:
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
