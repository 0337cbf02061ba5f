"""Which Korean counters take native numerals, and up to where."""

from __future__ import annotations

import re
from functools import lru_cache

from feature_extractor.text.ko.numbers import native, sino

# Things, people and times: few of them are counted in native numerals, many in Sino-Korean ones.
_FEW, _ALL = 49, 99
_COUNTERS = {
    _ALL: "살",
    _FEW: "개 명 사람 마리 권 병 잔 대 장 벌 켤레 그루 송이 번째 번 가지 달 척 채 자루 쌍 통 알 톨 줄 군데 판 포기 "
    "다발 그릇 접시 곡 방울 끼 곳 배 모금 숟갈 조각 차례 바퀴 걸음 갈래 발짝 주먹 움큼 집 나라 도시 팀 분의 상자 "
    "박스 봉지 캔 컵 스푼 방 시간 해 돌 뿌리 꼬치 묶음 가닥 매듭 자리 계단 아이 남매 형제 친구 학생",
    12: "시",
}
# The same letters with another meaning: 5개월, 30대, 3번 출구, 2번 국도, 3명당 and so on keep the numeral of their own.
_NOT = {
    "개": "(?!월|국|년|소|사|교|조|항)",
    "번": r"(?!지|호|가|길|선|\s?(?:출구|버스|문제|국도|트랙|홀|타자|선수|게이트|창구|방|국|채널|줄))",
    "시": "(?!즌|리즈|청|장)", "배": "(?!럴)", "대": "(?![가-힣]*\\s?\\d)", "분의": "(?!\\d)", "장": "(?!에서)",
    "달": "(?!러)", "통": "(?!계)", "해": "(?!리)", "병": "(?!장|동)",
}  # fmt: skip
_ORDINALS = {1: "첫", 2: "두"}
_DECADES = frozenset(range(10, 100, 10))


@lru_cache(maxsize=1)
def counted() -> re.Pattern[str]:
    """A whole number and its native counter."""
    words = sorted({word for line in _COUNTERS.values() for word in line.split()}, key=len, reverse=True)
    counters = "|".join(word + _NOT.get(word, "") for word in words)
    return re.compile(rf"(?<![\d.,])(\d{{1,7}})(\s?)({counters})")


def spoken_count(match: re.Match[str]) -> str:
    """The number and the counter as they are said."""
    number, space, counter = int(match[1]), match[2], match[3]
    limit = next(most for most, line in _COUNTERS.items() if counter in line.split())
    if counter == "번째" and number in _ORDINALS:
        return f"{_ORDINALS[number]} {counter}"
    if counter == "시간" and number >= 20:
        limit = 19
    if counter == "대" and number in _DECADES:
        return sino(match[1]) + space + counter
    if counter == "시" and not 1 <= number <= limit:
        return sino(match[1]) + space + counter
    if number == 0 or not 1 <= number % 100 <= limit:
        return sino(match[1]) + space + counter
    return native(number) + (space or " ") + counter
