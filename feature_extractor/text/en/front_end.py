"""The English front end."""

from __future__ import annotations

from collections.abc import Sequence

from feature_extractor.text.en import g2p, normalise, public
from feature_extractor.text.en.notation import pronounce
from feature_extractor.text.reading import Pin, Reading, Source, pieces, read_around


def read_english(text: str, symbols: str, compat: bool, pins: Sequence[Pin] = ()) -> Reading:
    """Phones of English text; both symbol tables hold all of them."""
    if compat:
        return read_around(text, pins, _read_public_piece, pronounce, separator=" ") if pins else _read_public(text)
    if pins:
        return _read_pinned(text, pins)
    words = normalise.normalise(text)
    return _reading(words, g2p.speak(words))


def _reading(words: str, spoken: Sequence[g2p.Spoken]) -> Reading:
    sources = tuple(Source(word.text, len(word.phones), word.by) for word in spoken)
    return Reading([phone for word in spoken for phone in word.phones], words, None, sources)


def _read_public(text: str) -> Reading:
    words = public.normalise(text)
    spoken = public.speak(words)
    sources = tuple(Source(token, len(phones), "public front end") for token, phones in spoken)
    return Reading([phone for _, phones in spoken for phone in phones], words, None, sources)


def _read_public_piece(text: str) -> Reading:
    """A piece of a sentence, without the comma that the public front end puts before short texts."""
    reading = _read_public(text)
    padded = reading.phones[:1] == [","] and not reading.normalised.startswith(",")
    return Reading(reading.phones[padded:], reading.normalised, None, reading.sources[padded:])


def _read_pinned(text: str, pins: Sequence[Pin]) -> Reading:
    """Read a sentence in which some words have their phones; what stands between pins is normalised by itself."""
    words: list[str] = []
    fixed: list[tuple[str, list[str]]] = []
    for piece, pin in pieces(text.replace(g2p.PINNED, " "), pins):
        if pin is None:
            words.append(normalise.normalise(piece))
        elif pin.reading is None:
            words.append(" ".join(piece.split()))
        else:
            words.append(g2p.PINNED)
            fixed.append((piece, pronounce(pin.reading)))
    sentence = " ".join(word for word in words if word)
    spoken = g2p.speak(sentence, fixed)
    for word, _ in fixed:
        sentence = sentence.replace(g2p.PINNED, word, 1)
    return _reading(sentence, spoken)
