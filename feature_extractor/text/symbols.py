"""The symbol tables: a phone's place in its table is the number a model knows it by."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType

from gpt_sovits.core.errors import ConfigError
from gpt_sovits.core.resources import resource

VERSIONS = ("v1", "v2")


def symbol_table(version: str) -> list[str]:
    """All phones of a symbol table in the order of their ids.

    Args:
        version: `v1` (322 symbols: Chinese, English, Japanese) or `v2` (732: also Korean and Cantonese;
            its first 322 are those of `v1`).

    Raises:
        ConfigError: there is no such table.
    """
    return list(symbol_ids(version))


@cache
def symbol_ids(version: str) -> MappingProxyType[str, int]:
    """The id of every phone of a symbol table; see `symbol_table`."""
    if version not in VERSIONS:
        raise ConfigError(f"there is no symbol table {version!r}; choose one of {', '.join(VERSIONS)}")
    lines = resource("res", "text", f"symbols_{version}.txt").read_text(encoding="utf8").splitlines()
    return MappingProxyType({symbol: number for number, symbol in enumerate(lines)})
