"""Public names and ours translate both ways without loss; files without a posterior are read."""

from __future__ import annotations

import pytest
import torch

from gpt_sovits.core.config import load_config
from gpt_sovits.core.errors import CheckpointError
from sovits.config import SynthesizerConfig
from sovits.convert import config_from_public, from_public, to_public
from sovits.model import Synthesizer
from tests import golden_data
from tests.sovits.public import public_config, public_weights


def test_round_trip(public_model: Synthesizer, version: str) -> None:
    public = public_weights(version)
    back = to_public(public_model.state_dict())
    assert back.keys() == public.keys()
    assert all(torch.equal(back[name], value) and back[name].dtype == value.dtype for name, value in public.items())


@pytest.mark.parametrize("name", ["v1", "v2", "v2pro", "v2proplus"])
def test_presets_have_the_public_parts(name: str) -> None:
    """A preset, shrunk as the stored key tables are, has exactly their names and shapes."""
    table = {"v1": "v1", "v2": "v2", "v2pro": "v2Pro", "v2proplus": "v2ProPlus"}[name]
    small = ["prior.filter=128", "prior.content_layers=1", "prior.text_layers=2", "prior.joint_layers=1"]
    config = load_config(SynthesizerConfig, f"model/{name}", [*small, "generator.channels=64"])
    with torch.device("meta"):
        model = Synthesizer(config)
    shapes = {key: list(value.shape) for key, value in to_public(_without_flag(model)).items()}
    expected = {key: shape for key, (shape, _) in golden_data.keys(f"s2G_{table}_small").items()}
    expected.pop("quantizer.vq.layers.0._codebook.inited")
    assert shapes == expected


def _without_flag(model: Synthesizer) -> dict[str, torch.Tensor]:
    return {name: value for name, value in model.state_dict().items() if name != "quantizer.ready"}


def test_a_preset_is_what_the_importer_makes(version: str) -> None:
    imported = config_from_public(public_config(version), public_weights(version))
    preset = load_config(SynthesizerConfig, f"model/{version.lower()}")
    small = imported.prior.model_dump().items() - preset.prior.model_dump().items()
    assert {name for name, _ in small} == {"filter", "content_layers", "text_layers", "joint_layers"}
    assert imported.generator.model_copy(update={"channels": preset.generator.channels}) == preset.generator
    assert imported.model_dump(exclude={"prior", "generator"}) == preset.model_dump(exclude={"prior", "generator"})


def test_released_files_lack_the_posterior() -> None:
    public = {name: value for name, value in public_weights("v2").items() if not name.startswith("enc_q.")}
    model = Synthesizer(config_from_public(public_config("v2"), public), posterior=False)
    model.load_state_dict(from_public(public))
    assert to_public(model.state_dict()).keys() == public.keys()


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(CheckpointError, match=r"cfm\.estimator\.x"):
        from_public({"cfm.estimator.x": torch.zeros(1)})
