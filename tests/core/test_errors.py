"""The error tree."""

from __future__ import annotations

import inspect

import pytest

from gpt_sovits.core import errors

TYPES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]


@pytest.mark.parametrize("kind", TYPES)
def test_every_error_belongs_to_the_tree_and_is_drawn(kind: type[Exception]) -> None:
    assert issubclass(kind, errors.GPTSoVITSError)
    assert errors.__doc__ is not None and kind.__name__ in errors.__doc__


def test_a_missing_package_names_the_extra() -> None:
    text = str(errors.MissingExtraError("gradio", "webui", "the web interface"))
    assert "the web interface needs the package gradio" in text and "gpt-sovits[webui]" in text


def test_a_reference_tells_its_length() -> None:
    assert "3 to 10 seconds; this one lasts 1.2" in str(errors.ReferenceAudioError(1.23))
