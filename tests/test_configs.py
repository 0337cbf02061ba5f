"""Every YAML file that ships is loaded as the class it is for, through the path that users take."""

from __future__ import annotations

from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from gpt_sovits.core.config import Strict, load_config
from gpt_sovits.core.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1] / "configs"
FILES = sorted(path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.rglob("*.yaml"))

# The first pattern that matches a file's name says which class it fills.
KINDS = {
    "prep": "prep.config:PrepConfig",
    "infer": "gpt_sovits.pipeline.request:Sampling",
    "*/hubert": "feature_extractor.hubert:HubertSettings",
    "*_hubert": "feature_extractor.hubert:HubertSettings",
    "train/content*": "gpt_sovits.train.content:ContentConfig",
    "train/vocoder*": "gpt_sovits.train.vocoder:ThinConfig",
    "train/*_s1": "ar.config:Text2SemanticTrainingConfig",
    "train/s1*": "ar.config:Text2SemanticTrainingConfig",
    "train/s2*": "sovits.recipe:SynthesizerTrainingConfig",
    "train/*_s2": "sovits.recipe:SynthesizerTrainingConfig",
    "debug/train_s1": "ar.config:Text2SemanticTrainingConfig",
    "debug/train_s2": "sovits.recipe:SynthesizerTrainingConfig",
    "debug/s1": "ar.config:Text2SemanticConfig",
    "debug/s2": "sovits.config:SynthesizerConfig",
    "model/s1_*": "ar.config:Text2SemanticConfig",
    "model/*_s1": "ar.config:Text2SemanticConfig",
    "*discriminator*": "sovits.config:DiscriminatorConfig",
    "model/*": "sovits.config:SynthesizerConfig",
}


def kind(name: str) -> type[BaseModel]:
    """The class of a configuration file."""
    place = next((place for pattern, place in KINDS.items() if fnmatch(name, pattern)), None)
    assert place is not None, f"configs/{name}.yaml is of no known kind: name its class in this test"
    module, _, attribute = place.partition(":")
    found = getattr(import_module(module), attribute)
    assert issubclass(found, BaseModel)
    return found


@pytest.mark.parametrize("name", FILES)
def test_file_loads(name: str) -> None:
    assert isinstance(load_config(kind(name), name), kind(name))


@pytest.mark.parametrize("name", FILES)
def test_a_typo_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match="certainly_not_a_field"):
        load_config(kind(name), name, ["certainly_not_a_field=1"])


@pytest.mark.parametrize("name", FILES)
def test_every_kind_is_closed_and_frozen(name: str) -> None:
    assert issubclass(kind(name), Strict)


@pytest.mark.parametrize("name", FILES)
def test_file_says_what_it_is_for(name: str) -> None:
    first = (ROOT / f"{name}.yaml").read_text(encoding="utf8").splitlines()[0]
    assert first.startswith("# "), "the first line is a comment that says what the file is for"


@pytest.mark.parametrize("name", FILES)
def test_file_has_no_duplicate_keys(name: str) -> None:
    """YAML keeps the last of two equal keys without a word."""

    def check(node: yaml.Node | None) -> None:
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            assert len(keys) == len(set(keys)), f"{keys}"
        for child in node.value if isinstance(node, (yaml.MappingNode, yaml.SequenceNode)) else ():
            for part in child if isinstance(child, tuple) else (child,):
                check(part)

    check(yaml.compose((ROOT / f"{name}.yaml").read_text(encoding="utf8")))
