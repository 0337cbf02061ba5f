"""English words in katakana, from their English phones, by the usual rules for writing loanwords."""

from __future__ import annotations

from collections.abc import Sequence

from feature_extractor.text.en.g2p import phones_of

_COLUMNS = "aiueo"
_VOWELS = {"AA": "a", "AE": "a", "AH": "a", "AO": "o-", "AW": "aウ", "AY": "aイ", "EH": "e", "ER": "a-", "EY": "e-",
           "IH": "i", "IY": "i-", "OW": "o-", "OY": "oイ", "UH": "u", "UW": "u-"}  # fmt: skip
_SHORT = frozenset(["AA", "AE", "AH", "EH", "IH", "UH"])
_ROWS = {
    "": "アイウエオ", "K": "カキクケコ", "G": "ガギグゲゴ", "S": "サシスセソ", "Z": "ザジズゼゾ", "N": "ナニヌネノ",
    "HH": "ハヒフヘホ", "B": "バビブベボ",
    "P": "パピプペポ",
    "M": "マミムメモ",
    "R": "ラリルレロ", "L": "ラリルレロ",
}  # fmt: skip
_FOREIGN = {
    "F": "ファ フィ フ フェ フォ", "V": "ヴァ ヴィ ヴ ヴェ ヴォ", "W": "ワ ウィ ウ ウェ ウォ", "Y": "ヤ イ ユ イェ ヨ",
    "SH": "シャ シ シュ シェ ショ", "ZH": "ジャ ジ ジュ ジェ ジョ", "CH": "チャ チ チュ チェ チョ",
    "JH": "ジャ ジ ジュ ジェ ジョ",
    "TH": "サ シ ス セ ソ", "DH": "ザ ジ ズ ゼ ゾ", "T": "タ ティ トゥ テ ト", "D": "ダ ディ ドゥ デ ド",
}  # fmt: skip
_ALONE = {"T": "ト", "D": "ド", "CH": "チ", "JH": "ジ", "SH": "シュ", "ZH": "ジュ", "N": "ン", "NG": "ング",
          "Y": "イ", "W": "ウ",
          "HH": "フ", "R": "ー"}  # fmt: skip
_DOUBLED = frozenset(["P", "T", "K", "CH", "D", "G", "JH", "SH"])


def kana_of(word: str) -> str:
    """A word as it would be written in katakana: keyboard キーボード."""
    phones = [phone.rstrip("012") for phone in phones_of(word) if phone[0].isalpha()]
    return "".join(_kana(phones, i) for i in range(len(phones)))


def _kana(phones: Sequence[str], i: int) -> str:
    phone = phones[i]
    before = phones[i - 1] if i else ""
    after = phones[i + 1] if i + 1 < len(phones) else ""
    if phone in _VOWELS:
        return "" if _is_onset(before) else _syllable("", phone, after)
    if after in _VOWELS and phone != "NG":
        glide = ""
        return glide + _syllable(phone, after, phones[i + 2] if i + 2 < len(phones) else "")
    return _alone(phone, before, after)


def _is_onset(phone: str) -> bool:
    return bool(phone) and phone not in _VOWELS and phone != "NG"


def _syllable(onset: str, vowel: str, after: str) -> str:
    sound = _VOWELS[vowel]
    row = _FOREIGN[onset].split() if onset in _FOREIGN else list(_ROWS[onset])
    kana = row[_COLUMNS.index(sound[0])]
    if vowel == "AE" and onset in {"K", "G"}:
        kana = {"K": "キャ", "G": "ギャ"}[onset]
    tail = sound[1:].replace("-", "ー")
    if after == "R" and vowel in {"AO", "ER"}:
        return kana
    return kana + tail


def _alone(phone: str, before: str, after: str) -> str:
    """A consonant without a vowel after it."""
    if phone == "NG":
        return "ン" if after in {"K", "G"} else "ング"
    if phone == "M" and after in {"P", "B"}:
        return "ン"
    if phone == "R":
        return {"IH": "ア", "EH": "ア", "UH": "ア"}.get(before, "ー" if before in _VOWELS else "ル")
    if phone == "Y" and after == "UW":
        return ""
    if phone == "T" and after == "S":
        return ""
    if phone == "S" and before == "T":
        return "ツ"
    kana = _ALONE.get(phone) or (_FOREIGN[phone].split() if phone in _FOREIGN else _ROWS[phone])[2]
    double = phone in _DOUBLED and before in _SHORT and not after
    return ("ッ" if double else "") + kana
