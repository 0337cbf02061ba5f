"""Word or character error rate of what a recogniser hears."""

from __future__ import annotations

from gpt_sovits.evaluate.alignment import align
from gpt_sovits.evaluate.item import Card, Clip, Item, Value
from gpt_sovits.evaluate.normalise import VERSION, heard_as, normalise
from gpt_sovits.evaluate.recognise import Recogniser


class Intelligibility:
    """Errors of one transcript; totals over a set divide edits by units, not the mean of the items' rates."""

    def __init__(self, recogniser: Recogniser) -> None:
        self._recogniser = recogniser

    @property
    def card(self) -> Card:
        card = self._recogniser.card
        return card.model_copy(update={"settings": {**card.settings, "normalisation": VERSION}})

    def score(self, clip: Clip) -> dict[str, Value]:
        wanted = normalise(clip.item.text, clip.item.language)
        said = self._recogniser.hear(clip)
        return {
            "heard": said.text,
            "heard_language": said.language,
            "language_certainty": said.certainty,
            **count_errors(wanted, heard_as(said.text, wanted, clip.item.language)),
        }

    def failed(self, item: Item) -> dict[str, Value]:
        return {"heard": "", **count_errors(normalise(item.text, item.language), [])}


def count_errors(wanted: list[str], heard: list[str]) -> dict[str, Value]:
    """Units, edits and the rate of one transcript."""
    found = align(wanted, heard)
    return {
        "units": float(len(wanted)),
        "edits": float(found.edits),
        "substituted": float(found.count("replace")),
        "deleted": float(found.count("delete")),
        "inserted": float(found.count("insert")),
        "error_rate": found.edits / max(len(wanted), 1),
    }
