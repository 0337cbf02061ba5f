"""Parts of speech of homographs, set right where the words around decide what the tagger misses.

Beside the Penn Treebank tags there are a few of our own for senses that share a part of speech: `METAL` (lead), `BEND`
(bow), `DIVE` (dove), `FISH` (bass), `PLACE` (Nice, Reading), `END` (the close of), `HABIT` (used to).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_HAVE = _words("have has had having i've you've we've they've be been being was were is are get gets got")
_NOUN_FOLLOWS = _words("the a an my your our their its his any some every each no another these those")
_DETERMINERS = _NOUN_FOLLOWS | _words("this that her all both")
_MODALS = _words(
    "will would can could should may might must shall did do does don't didn't doesn't can't cannot won't wouldn't "
    "couldn't shouldn't please let's i'll you'll we'll they'll he'll she'll it'll i'd you'd we'd they'd"
)
_ADVERBS = _words("not never always also just only still even often really")
_SUBJECTS = _words("i you we they")
_ALL_SUBJECTS = _SUBJECTS | {"he", "she", "it", "who"}
_OBJECTS = _words("me him us them it")
_OPENERS = frozenset(["so", "and", "but", "please", "just", "then", "or", "not", "never", "always", "", *",.?!…"])
_MARKS = frozenset(["", *",.?!…"])
_PAST = _words("yesterday ago last once")


@dataclass(frozen=True)
class Place:
    """A word in its sentence, with the words and tags beside it; nothing is there at the ends."""

    written: str
    tag: str
    before: list[str]
    """Words before it in lower case, nearest last."""
    after: list[str]
    tag_before: str
    tag_after: str

    @property
    def previous(self) -> str:
        """The word before."""
        return self.before[-1] if self.before else ""

    @property
    def following(self) -> str:
        """The word after."""
        return self.after[0] if self.after else ""


def tag_in_context(i: int, tokens: list[str], tags: list[str]) -> str:
    """The tag of a homograph: one of the tagger's, or one of those above."""
    place = Place(
        tokens[i],
        tags[i],
        [token.lower() for token in tokens[max(0, i - 4) : i]],
        [token.lower() for token in tokens[i + 1 : i + 12]],
        tags[i - 1] if i else "",
        tags[i + 1] if i + 1 < len(tags) else "",
    )
    special = _SENSES.get(tokens[i].lower())
    return (special(place) if special else "") or _general(place)


def _general(place: Place) -> str:
    verb = place.tag[:1] == "V"
    # Past what may stand between a modal verb and its verb: "could you not always record it".
    before = [word for word in place.before if word not in _ADVERBS]
    previous, second = (before[-1:] or [""])[0], (before[-2:-1] or [""])[0]
    if place.previous in _NOUN_FOLLOWS and place.tag[:1] == "V":
        return "JJ" if place.tag_after[:2] == "NN" else "NN"
    if verb:
        return place.tag
    if previous in _MODALS or (second in _MODALS and previous in _ALL_SUBJECTS and place.tag[:2] == "NN"):
        return "VB"
    if place.previous in _MARKS and (place.following in _DETERMINERS or place.tag_after == "CD"):
        return "VB"  # An imperative, which the tagger takes for a noun: "Record the song".
    if place.previous in _SUBJECTS and place.tag[:2] == "NN":
        return "VBP"
    if place.previous in _OPENERS and place.following in _OBJECTS:
        return "VB"
    if (
        place.tag == "NNS"
        and place.tag_before == "NN"
        and place.following in {"as", "when", "while", "until", "because"}
    ):
        return "VBZ"
    if place.tag == "NN" and place.tag_before == "NNS" and place.tag_after in {"WRB", "RB", "DT", "JJR", "RBR"}:
        return "VBP"
    return place.tag


def _used(place: Place) -> str:
    passive = place.previous in {"is", "are", "was", "were", "be", "been", "being"}
    after_noun = place.tag == "VBN" and place.tag_before[:2] == "NN"  # "a term used to denote"
    return "HABIT" if place.following == "to" and not passive and not after_noun else place.tag


def _read(place: Place) -> str:
    before = [word for word in place.before if word not in _ADVERBS]
    if not before:
        return ""
    if (
        before[-1] in _MODALS
        or before[-1] == "to"
        or (before[-1] in _ALL_SUBJECTS and before[-2:-1] and before[-2] in _MODALS)
    ):
        return "VB"
    if _HAVE & set(before[-2:]):
        return "VBN"
    late = _PAST & {*place.before, *place.after}
    if (late and place.tag in {"VBP", "VB", "NN"}) or before[-1] in {"he", "she", "it"}:
        return "VBD"
    return ""


def _lead(place: Place) -> str:
    stuff = {
        "pipe", "pipes", "paint", "poisoning", "pencil", "pencils", "bullet", "bullets", "acid", "ore", "shot",
        "weight", "weights", "crystal", "glass", "roof", "mine", "mines", "oxide", "levels", "content", "soldiers",
    }  # fmt: skip
    metals = {"zinc", "copper", "tin", "iron", "silver", "gold", "mercury", "arsenic", "cadmium"}
    made = place.before[-2:] in (["made", "of"], ["made", "from"], ["heavy", "as"], ["out", "of"], ["like", "a"])
    near = {*place.before[-2:], *place.after[:2]}
    return "METAL" if place.following in stuff or made or metals & near else ""


def _bow(place: Place) -> str:
    takes = {
        "take",
        "takes",
        "took",
        "taking",
        "taken",
        "made",
        "make",
        "makes",
        "gave",
        "deep",
        "low",
        "polite",
        "final",
    }
    ships = {"ship", "ship's", "boat", "boat's", "stern"} & {*place.before, *place.after[:4]}
    return "BEND" if takes & set(place.before[-2:]) or ships else ""


def _dove(place: Place) -> str:
    ways = {
        "into",
        "in",
        "down",
        "under",
        "off",
        "for",
        "right",
        "deep",
        "deeper",
        "headfirst",
        "straight",
        "from",
        "to",
    }
    subject = place.tag_before[:2] in {"NN", "PR", "RB"} or place.previous in {"and", "then"}
    return "DIVE" if subject and place.following in ways else "NN"


def _bass(place: Place) -> str:
    fishing = {
        "fish",
        "fishing",
        "sea",
        "largemouth",
        "smallmouth",
        "striped",
        "caught",
        "catch",
        "grilled",
        "trout",
        "lake",
    }
    music = {
        "player",
        "players",
        "guitar",
        "guitarist",
        "line",
        "lines",
        "drum",
        "clef",
        "note",
        "notes",
        "singer",
        "voice",
    }
    if place.following in music:
        return ""
    return "FISH" if fishing & {*place.before, *place.after[:2]} else ""


def _tear(place: Place) -> str:
    """What is torn, not what is wept."""
    stuff = {"dress", "shirt", "jacket", "coat", "sleeve", "trousers", "jeans", "fabric", "cloth", "sail", "tent",
             "muscle", "ligament", "tendon", "page", "paper", "curtain", "net", "bag", "roof"}  # fmt: skip
    return "V" if place.following == "in" and stuff & set(place.after[1:4]) else ""


def _town(place: Place) -> str:
    arriving = {"in", "to", "from", "near", "of", "at", "via", "through", "visited", "visit", "left"}
    return "PLACE" if place.written[0].isupper() and place.written[1:].islower() and place.previous in arriving else ""


def _close(place: Place) -> str:
    return "END" if place.following == "of" and place.previous in {"the", "a", "its", "at", "market"} else ""


def _polish(place: Place) -> str:
    capital = place.written[0].isupper() and not place.written.isupper()
    if capital and place.previous not in _MARKS - {","}:
        return "NNP"
    if capital and place.following not in _DETERMINERS:
        return "NNP"
    return "VB" if place.tag[:1] == "V" else "NN"


def _live(place: Place) -> str:
    """ "A live show", although the tagger takes it for the verb."""
    return "JJ" if place.previous in _NOUN_FOLLOWS else ""


_SENSES: Mapping[str, Callable[[Place], str]] = MappingProxyType(
    {
        "used": _used, "read": _read, "lead": _lead, "bow": _bow, "dove": _dove, "bass": _bass, "tear": _tear,
        "nice": _town, "reading": _town, "close": _close, "polish": _polish, "live": _live,
    }
)  # fmt: skip
