"""Ordinary English sentences and what a careful reader says."""

from __future__ import annotations

import pytest

from feature_extractor.text import analyse
from feature_extractor.text.en.lexicon import public_homographs
from feature_extractor.text.en.neural import spelling_to_sound
from feature_extractor.text.en.normalise import normalise
from feature_extractor.text.en.numbers import cardinal, ordinal, year
from feature_extractor.text.en.tagger import tagger
from feature_extractor.text.en.words import word_phones
from tests.feature_extractor.work import assert_linear

SPOKEN = [
    ("Dr. Smith lives on Baker St. in St. Louis.", "Doctor Smith lives on Baker Street in Saint Louis."),
    ("Mr. and Mrs. Jones", "Mister and Missus Jones"),
    ("It costs $3.50.", "It costs three dollars and fifty cents."),
    ("They raised $1.2 million.", "They raised one point two million dollars."),
    ("£1 or €20", "one pound or twenty euros"),
    ("At 3:45 PM on Jan. 3rd, 2024.", "At three forty-five P M on January third, twenty twenty-four."),
    ("The 9:05 train", "The nine oh five train"),
    ("We open at 10:00 a.m. sharp.", "We open at ten A M sharp."),
    ("on 5 May 1998", "on the fifth of May, nineteen ninety-eight"),
    ("2024-01-05", "January fifth, twenty twenty-four"),
    ("In the 1990s and the '80s", "In the nineteen nineties and the eighties"),
    ("in 1905 and 2003", "in nineteen oh five and two thousand three"),
    ("1,234,567 people", "one million two hundred thirty-four thousand five hundred sixty-seven people"),
    ("2 1/2 cups and 3/4 inch", "two and one half cups and three quarters inch"),
    ("25°C, 5 km, 10%", "twenty-five degrees celsius, five kilometers, ten percent"),
    ("a 1 km walk", "a one kilometer walk"),
    ("from 5-10 miles", "from five to ten miles"),
    ("Henry VIII and World War II", "Henry the eighth and World War two"),
    ("Chapter IV", "Chapter four"),
    ("Charles I was king. I was not.", "Charles the first was king. I was not."),
    ("version 1.2.3", "version one point two point three"),
    ("agent 007", "agent zero zero seven"),
    ("call (555) 123-4567", "call five five five, one two three, four five six seven"),
    ("see www.example.com now", "see W W W dot example dot com now"),
    ("AT&T, R&D", "A T and T, R and D"),
    ("e.g. this, i.e. that", "for example, this, that is, that"),
    ("COVID-19 and GPT-4", "COVID nineteen and GPT four"),
    ("Wait... what?! No -- really.", "Wait… what? No, really."),
    ("the café's naïve résumé", "the cafe's naive resume"),
    ("J. F. Kennedy met Robert I. Bouck.", "J F Kennedy met Robert I Bouck."),
    ("Take vitamin A. Then rest.", "Take vitamin A. Then rest."),
    ("He left at 5 p.m. Then it rained.", "He left at five P M. Then it rained."),
    ("well-known twenty-one", "well-known twenty-one"),
    ("x = 3 + 4", "x equals three plus four"),
    ("“Quoted”; done: yes", "Quoted, done, yes"),
    ("πr²", "pi r squared"),
]

PHONES = [
    ("Hello, world!", "HH AH0 L OW1 , W ER1 L D !"),
    ("I live here.", "AY1 L IH1 V HH IY1 R ."),
    ("a live show", "AH0 L AY1 V SH OW1"),
    ("I read it yesterday.", "AY1 R EH1 D IH1 T Y EH1 S T ER0 D EY2 ."),
    ("I will read it.", "AY1 W IH1 L R IY1 D IH1 T ."),
    ("She has read it.", "SH IY1 HH AE1 Z R EH1 D IH1 T ."),
    ("I refuse to collect the refuse.", "R IH0 F Y UW1 Z T UW1 K AH0 L EH1 K T DH AH0 R EH1 F Y UW2 S"),
    ("Record the record.", "R IH0 K AO1 R D DH AH0 R EH1 K ER0 D ."),
    ("an object", "AE1 N AA1 B JH EH0 K T"),
    ("They object to it.", "DH EY1 AH0 B JH EH1 K T T UW1 IH1 T ."),
    ("I used to use it.", "AY1 Y UW1 S T T UW1 Y UW1 Z IH1 T ."),
    ("He used a knife.", "HH IY1 Y UW1 Z D AH0 N AY1 F ."),
    ("I learned a lot.", "AY1 L ER1 N D AH0 L AA1 T ."),
    ("open your mouth", "OW1 P AH0 N Y AO1 R M AW1 TH"),
    ("the end", "DH IY0 EH1 N D"),
    ("the start", "DH AH0 S T AA1 R T"),
    ("A prisoner came.", "AH0 P R IH1 Z AH0 N ER0 K EY1 M ."),
    ("A B C", "EY1 B IY1 S IY1"),
    ("The FBI and NASA", "DH IY0 EH1 F B IY1 AY1 AH0 N D N AE1 S AH0"),
    ("the US team", "DH AH0 Y UW1 EH1 S T IY1 M"),
    ("tell us now", "T EH1 L AH1 S N AW1"),
    ("ChatGPT and iOS", "CH AE1 T JH IY1 P IY1 T IY1 AH0 N D AY1 OW1 EH1 S"),
    ("two GPUs", "T UW1 JH IY1 P IY1 Y UW1 Z"),
    ("the boss's desk", "DH AH0 B AO1 S IH0 Z D EH1 S K"),
    ("Blorp's cat", "S K AE1 T"),
    ("I can't, she'll, we've", "K AE1 N T , SH IY1 L , W IY1 V"),
    ("thirty-four", "TH ER1 T IY0 F AO1 R"),
    ("smartphones", "S M AA1 R T F OW2 N Z"),
    ("I LOVE THIS SONG SO MUCH", "AY1 L AH1 V DH IH1 S S AO1 NG S OW1 M AH1 CH"),
    ("lead the way", "L IY1 D DH AH0 W EY1"),
    ("the wind blows", "DH AH0 W IH1 N D B L OW1 Z"),
    ("They wind it up.", "W AY1 N D IH1 T AH1 P"),
]


@pytest.mark.parametrize(("text", "spoken"), SPOKEN)
def test_spoken_words(text: str, spoken: str) -> None:
    assert normalise(text) == spoken


@pytest.mark.parametrize(("text", "phones"), PHONES)
def test_phones(text: str, phones: str) -> None:
    actual = " ".join(analyse(text, "en", pad_short=False).phones)
    assert f" {phones} " in f" {actual} ", actual


def test_regular_endings_follow_their_rules() -> None:
    assert word_phones("googles")[-1] == "Z"
    assert word_phones("vlogged")[-2:] == ("G", "D")
    assert word_phones("blockchains") == (*["B", "L", "AA1", "K", "CH", "EY2", "N"], "Z")


def test_a_word_in_no_dictionary_gets_phones_from_the_network() -> None:
    assert spelling_to_sound()("ification") == ["IH2", "F", "AH0", "K", "EY1", "SH", "AH0", "N"]
    assert word_phones("Zhangsan")


def test_a_word_too_long_to_be_one_is_read_in_pieces() -> None:
    assert len(word_phones("a" * 5000)) > 50


def test_tags() -> None:
    words = ["I", "refuse", "to", "collect", "the", "refuse", "."]
    assert tagger()(words) == ["PRP", "VBP", "TO", "VB", "DT", "NN", "."]


def test_homographs_of_g2p_en_are_read_without_importing_it() -> None:
    import sys

    assert public_homographs()["record"].choose("VB") == "R IH0 K AO1 R D"
    assert "g2p_en" not in sys.modules
    assert "nltk" not in sys.modules


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (cardinal(0), "zero"),
        (cardinal(1_000_010), "one million ten"),
        (cardinal(-7), "minus seven"),
        (cardinal(10**40), "one" + " zero" * 40),
        (ordinal(12), "twelfth"),
        (ordinal(140), "one hundred fortieth"),
        (ordinal(1_000), "one thousandth"),
        (year(2000), "two thousand"),
        (year(1900), "nineteen hundred"),
        (year(2024), "twenty twenty-four"),
    ],
)
def test_numbers(words: str, expected: str) -> None:
    assert words == expected


@pytest.mark.parametrize(
    "unit", ["مرحبا ", " ", "$1-", "a@a", "IV ", "Dr. ", "1/2 ", "'", "#a", "3x4", "\ud800a", "A1"]
)
def test_normalising_takes_linear_time(unit: str) -> None:
    assert_linear(normalise, unit, long=60_000)
