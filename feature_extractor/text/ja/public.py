"""Japanese exactly as the public GPT-SoVITS reads it."""

from __future__ import annotations

import re

from feature_extractor.text.ja.openjtalk import words_of
from feature_extractor.text.ja.prosody import phones_with_marks
from feature_extractor.text.reading import Reading, Source
from feature_extractor.text.split import replace_consecutive_punctuation
from feature_extractor.text.symbols import symbol_ids

_SPOKEN = r"A-Za-z\d\u3005\u3040-\u30ff\u4e00-\u9fff\uff11-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uff9d"
_PIECE = re.compile(rf"([{_SPOKEN}]+)|([^{_SPOKEN}])")
_MARKS = {"：": ",", "；": ",", "，": ",", "。": ".", "！": "!", "？": "?", "\n": ".", "·": ",", "、": ","}


def read_public(text: str, symbols: str) -> Reading:
    """Phones as the public front end gives them: `UNK` for accent phrase boundaries and whatever the table lacks."""
    normalised = replace_consecutive_punctuation(text)
    table = symbol_ids(symbols)
    phones: list[str] = []
    sources: list[Source] = []
    for match in _PIECE.finditer(normalised.replace("％", "パーセント").lower()):
        words, mark = match.groups()
        if words:
            found = words_of(words)
            for word, sounds in zip(found, phones_with_marks(found), strict=True):
                phones.extend(sounds)
                sources.append(Source(word.text, len(sounds), word.by))
        elif mark != " ":
            phones.append(_MARKS.get(mark, mark))
            sources.append(Source(mark, 1, "mark"))
    known = [phone if phone in table else "UNK" for phone in phones]
    return Reading(known, normalised, None, tuple(source for source in sources if source.phones))
