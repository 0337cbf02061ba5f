"""Following a known text through what a reader of phones hears."""

from __future__ import annotations

from itertools import groupby, product

import pytest
import torch

from feature_extractor.phone_reader import BLANK, follow_text

PHONES = 4


def heard(path: tuple[int, ...]) -> tuple[int, ...]:
    """What a path of logits says: runs are one phone, blanks are none."""
    return tuple(state for state, _ in groupby(path) if state != BLANK)


@pytest.mark.parametrize("text", [(1, 2), (2, 2), (3, 1, 3), (0,), (1, 1, 1)])
@pytest.mark.parametrize("ended", [True, False])
def test_the_likeliest_way_through_the_text_is_found(text: tuple[int, ...], ended: bool) -> None:
    """Against all paths there are; a moment whose state is a phone has that phone's place."""
    for seed in range(6):
        logits = torch.randn(6, PHONES + 1, generator=torch.Generator().manual_seed(seed)) * 3
        wanted = tuple(phone + 1 for phone in text)
        goals = [wanted] if ended else [wanted[:n] for n in range(len(wanted) + 1)]
        scores = logits.log_softmax(-1)
        paths = [p for p in product(range(PHONES + 1), repeat=6) if heard(p) in goals]
        best = max(paths, key=lambda path: float(sum(scores[i, s] for i, s in enumerate(path))))
        places = follow_text(logits, torch.tensor(text), ended).tolist()
        assert places == sorted(places) and places[0] >= 0 and places[-1] < len(text)
        for moment, state in enumerate(best):
            if state != BLANK:
                assert wanted[places[moment]] == state
        if ended:
            assert set(places) == set(range(len(text))), "every phone has its moments"


def test_a_rest_is_divided_between_its_neighbours() -> None:
    logits = torch.zeros(9, PHONES + 1)
    for moment, state in enumerate((BLANK, 1, BLANK, BLANK, BLANK, BLANK, 2, BLANK, BLANK)):
        logits[moment, state] = 9
    assert follow_text(logits, torch.tensor([0, 1])).tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1]


def test_too_short_for_the_text() -> None:
    assert follow_text(torch.randn(3, PHONES + 1), torch.tensor([0, 1, 2, 3, 0, 1])).tolist() == [0, 2, 4]
    assert follow_text(torch.randn(2, PHONES + 1), torch.tensor([1, 1])).tolist() == [0, 1]


def test_a_text_that_is_still_being_said() -> None:
    logits = torch.zeros(4, PHONES + 1)
    logits[:2, 1] = logits[2:, 2] = 9
    assert follow_text(logits, torch.tensor([0, 1, 2, 3]), ended=False).tolist() == [0, 0, 1, 1]
