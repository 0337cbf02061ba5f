"""Closed configuration, presets and overrides."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from gpt_sovits.core.config import Strict, apply_overrides, load_config, parse_config
from gpt_sovits.core.errors import ConfigError


class Inner(Strict):
    rate: float = 0.1
    name: str | None = None


class Outer(Strict):
    epochs: int = 8
    inner: Inner = Inner()
    periods: tuple[int, ...] = (2, 3)


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_file_and_overrides(tmp_path: Path) -> None:
    path = written(tmp_path, "epochs: 3\ninner: {rate: 0.5}\n")
    config = load_config(Outer, path, ["epochs=5", "inner.name=x", "inner.rate=1e-4", "periods=[7, 9]"])
    assert config == Outer(epochs=5, inner=Inner(rate=1e-4, name="x"), periods=(7, 9))


def test_later_overrides_win_and_null_empties() -> None:
    assert apply_overrides({}, ["a.b=1", "a.b=2", "c=null"]) == {"a": {"b": 2}, "c": None}


def test_a_value_may_hold_an_equals_sign() -> None:
    assert apply_overrides({}, ["a='b=c'"]) == {"a": "b=c"}


def test_overrides_leave_their_argument_alone() -> None:
    values = {"inner": {"rate": 0.5}}
    apply_overrides(values, ["inner.rate=1", "inner.name=x"])
    assert values == {"inner": {"rate": 0.5}}


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load_config(Outer, written(tmp_path, "# nothing\n")) == Outer()


def test_presets_are_found_by_name() -> None:
    class Preset(BaseModel):
        hidden_size: int

    assert load_config(Preset, "debug/hubert").hidden_size == 16


def test_a_value_does_not_change() -> None:
    with pytest.raises(ValidationError):
        Outer().epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch: 3\n", r"a\.yaml is not a valid Outer: epoch: Extra inputs"),
        ("inner: {rate: fast}\nepochs: x\n", r"epochs: .*integer.*; inner\.rate: .*number"),
        ("epochs: [\n", "not valid YAML"),
        (b"epochs: \xff\n", "not valid YAML"),
        ("- 1\n", "it holds a list"),
        ("7\n", "it holds a int"),
        ("[]\n", "it holds a list"),
    ],
)
def test_bad_files_are_named_with_every_fault(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        load_config(Outer, written(tmp_path, text), ["epochs=1"] if text in {"- 1\n", "[]\n"} else [])
    assert "a.yaml" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("source", ["debug/absent", "/nowhere/a.yaml"])
def test_an_absent_file_is_named(source: str) -> None:
    with pytest.raises(ConfigError, match=f"{source} was not found"):
        load_config(Outer, source)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("epochs", "name=value"),
        ("=3", "name=value"),
        ("epochs.a=3", "epochs is a value, not a group"),
        ("epochs=[", "'epochs=\\[' is not valid YAML"),
    ],
)
def test_bad_overrides_are_shown(item: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        apply_overrides({"epochs": 3}, [item])
    assert "\n" not in str(caught.value)


def test_plain_values_are_validated_under_their_origin() -> None:
    with pytest.raises(ConfigError, match="the checkpoint is not a valid Outer"):
        parse_config(Outer, {"epochs": None}, "the checkpoint")
