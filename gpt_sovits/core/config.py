"""Closed configuration: pydantic classes, YAML files, `a.b=1` overrides."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from gpt_sovits.core.errors import ConfigError
from gpt_sovits.core.resources import resource


class Strict(BaseModel):
    """Base of every configuration class: a typo is an error, a value does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


C = TypeVar("C", bound=BaseModel)


def load_config(kind: type[C], source: str | Path, overrides: Iterable[str] = ()) -> C:
    """Read a YAML file, or a preset by its name under `configs/` (such as `model/v2`), as `kind`.

    Args:
        overrides: `a.b=1` items, applied in order; values are parsed as YAML.

    Raises:
        ConfigError: the file is missing, not YAML, or does not fit `kind`.
    """
    path = Path(source)
    if path.suffix not in {".yaml", ".yml"}:
        path = resource("configs", f"{source}.yaml")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf8"))
    except OSError as error:
        raise ConfigError(f"the configuration {source} was not found (looked for {path})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {_one_line(error)}") from error
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold name: value lines; it holds a {type(values).__name__}")
    return parse_config(kind, apply_overrides(values, overrides), str(path))


def parse_config(kind: type[C], values: dict[str, Any], origin: str) -> C:
    """Validate plain values as `kind`; a failure names the file and every wrong field."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{origin} is not a valid {kind.__name__}: {faults}") from error


def apply_overrides(values: dict[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return `values` with each `a.b=1` written into it; the argument is left alone."""
    result = _copy(values)
    for item in overrides:
        name, equals, text = item.partition("=")
        if not equals or not name:
            raise ConfigError(f"an override reads name=value, such as train.epochs=8; got {item!r}")
        node = result
        *parents, leaf = name.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise ConfigError(f"cannot set {name}: {parent} is a value, not a group")
        try:
            node[leaf] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"the value of the override {item!r} is not valid YAML: {_one_line(error)}") from error
    return result


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _copy(value: Any) -> Any:
    return {k: _copy(v) for k, v in value.items()} if isinstance(value, dict) else value
