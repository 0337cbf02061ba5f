"""Pronunciations of English words as the dictionaries give them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from feature_extractor.text.characters import read_pairs
from feature_extractor.text.tables import SortedTable
from gpt_sovits.core.errors import MissingExtraError
from gpt_sovits.core.resources import resource


@dataclass(frozen=True)
class Homograph:
    """A spelling with two pronunciations: `matched` for the tags in `tags`, `other` for the rest."""

    tags: tuple[str, ...]
    matched: str
    other: str

    def choose(self, tag: str) -> str:
        """The pronunciation for a Penn Treebank tag; the listed tags match as prefixes."""
        return self.matched if tag.startswith(self.tags) else self.other


@lru_cache(maxsize=1)
def cmudict() -> SortedTable:
    """First pronunciation of every word of the CMU dictionary, phones joined by spaces, keys in lower case."""
    return SortedTable(resource("res", "text", "en", "cmudict.tsv"))


@lru_cache(maxsize=1)
def additions() -> dict[str, str]:
    """Words that the CMU dictionary lacks or reads in a rarer way."""
    return read_pairs(resource("res", "text", "en", "additions.tsv"))


@lru_cache(maxsize=1)
def homographs() -> dict[str, Homograph]:
    """Homographs of g2p_en, corrected and extended by our own table."""
    path = resource("res", "text", "en", "homographs.tsv")
    rows = (line.split("\t") for line in path.read_text(encoding="utf8").splitlines() if line)
    return public_homographs() | {word: Homograph(tuple(tags.split(",")), a, b) for word, tags, a, b in rows}


@lru_cache(maxsize=1)
def public_homographs() -> dict[str, Homograph]:
    """Homographs as g2p_en ships them."""
    lines = (g2p_en_folder() / "homographs.en").read_text(encoding="utf8").splitlines()
    rows = (line.split("|") for line in lines if line and not line.startswith("#"))
    return {word.lower(): Homograph((tag,), a.strip(), b.strip()) for word, a, b, tag in rows}


def g2p_en_folder() -> Path:
    """Where g2p_en keeps its data; the package itself is not imported, since that starts a download.

    Raises:
        MissingExtraError: g2p_en is not installed.
    """
    found = find_spec("g2p_en")
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError("g2p-en", "all", "reading English")
    return Path(next(iter(found.submodule_search_locations)))
