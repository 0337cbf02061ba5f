"""One schema, one set of defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpt_sovits.core.config import load_config
from gpt_sovits.core.errors import InputError
from gpt_sovits.pipeline.request import Request, Sampling, parse_request


def test_defaults_are_the_public_ones() -> None:
    request = parse_request({"text": "Hi.", "reference": "a.wav"})
    assert (request.top_k, request.top_p, request.temperature, request.repetition_penalty) == (15, 1, 1, 1.35)
    assert (request.cut, request.speed, request.pause, request.seed) == ("auto", 1, 0.3, -1)
    assert (request.noise_scale, request.batch_threshold, request.max_codes) == (0.5, 0.75, 1500)


def test_shipped_configuration_says_the_defaults() -> None:
    assert load_config(Sampling, "infer") == Sampling()
    assert load_config(Sampling, "infer").model_fields_set == set(Sampling.model_fields)


def test_values_that_are_none_are_left_to_the_defaults() -> None:
    values = {"text": "Hi.", "reference": "a.wav", "top_k": None, "language": None, "aux_references": ["b.wav"]}
    request = parse_request(values)
    assert (request.top_k, request.language, request.aux_references) == (15, "auto", (Path("b.wav"),))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"reference": "a.wav"}, "text is missing"),
        ({"text": "Hi."}, "reference is missing"),
        ({"topk": 3}, "there is no field topk"),
        ({"top_k": 0}, "top_k: input should be greater than or equal to 1"),
        ({"speed": 0}, "speed"),
        ({"speed": float("nan")}, "speed"),
        ({"temperature": float("inf")}, "temperature"),
        ({"cut": "cut9"}, "cut: input should be 'auto'"),
        ({"seed": -2}, "seed"),
        ({"pause": -0.1}, "pause"),
        ({"max_codes": "many"}, "max_codes"),
    ],
)
def test_wrong_values_are_named(values: dict[str, object], words: str) -> None:
    whole = values if {"text", "reference"} & values.keys() else {"text": "Hi.", "reference": "a.wav", **values}
    with pytest.raises(InputError) as caught:
        parse_request(whole, "line 3")
    assert str(caught.value).startswith("line 3 cannot be used: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_request_does_not_change() -> None:
    request = parse_request({"text": "Hi.", "reference": "a.wav"})
    with pytest.raises(ValueError, match="frozen"):
        request.text = "other"  # type: ignore[misc]


def test_every_field_is_explained() -> None:
    assert all(field.description for field in Request.model_fields.values())


def test_the_public_cut_is_the_default_of_compat_only() -> None:
    given = {"text": "Hi.", "reference": "a.wav"}
    assert parse_request(given).cutting == "auto"
    assert parse_request({**given, "compat": True}).cutting == "cut1"
    assert parse_request({**given, "compat": True, "cut": "auto"}).cutting == "auto"
