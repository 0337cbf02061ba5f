"""The text front end: text in, phones out.

`analyse` reads a text in one or several languages; `symbol_table` lists the phones a model numbers;
`split` cuts long texts.
"""

from __future__ import annotations

from feature_extractor.text.analysis import Segment, TextAnalysis, Unknown, analyse, read
from feature_extractor.text.reading import Pin, Reading, Source
from feature_extractor.text.symbols import symbol_table
from feature_extractor.text.trace import Trace, trace
from feature_extractor.text.user import UserDictionary, user_dictionary

__all__ = [
    "Pin",
    "Reading",
    "Segment",
    "Source",
    "TextAnalysis",
    "Trace",
    "Unknown",
    "UserDictionary",
    "analyse",
    "read",
    "symbol_table",
    "trace",
    "user_dictionary",
]
