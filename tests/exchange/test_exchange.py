"""Public files in, public files out, and what is kept in between."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from ar import load_text2semantic
from gpt_sovits.core.bundle import find_model
from gpt_sovits.core.checkpoint import load_checkpoint
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.core.foreign import plain, read_foreign
from gpt_sovits.exchange.exporting import export_model
from gpt_sovits.exchange.importing import import_files
from gpt_sovits.exchange.recognise import recognise
from gpt_sovits.models import new_model, removable
from gpt_sovits.pipeline.parts import load_parts
from sovits import load_sovits
from tests.exchange import public_files


def assert_same_file(written: Path, original: Path) -> None:
    """Equal tensors in equal order, head, configuration and note."""
    a, b = read_foreign(written), read_foreign(original)
    assert a.head == b.head and list(a.tree) == list(b.tree)
    assert list(a.tree["weight"]) == list(b.tree["weight"])
    for name, tensor in b.tree["weight"].items():
        assert a.tree["weight"][name].dtype == tensor.dtype and torch.equal(a.tree["weight"][name], tensor), name
    assert plain(a.tree["config"]) == plain(b.tree["config"])
    assert {k: v for k, v in a.tree.items() if k not in ("weight", "config")} == {
        k: v for k, v in b.tree.items() if k not in ("weight", "config")
    }


def test_there_and_back(public: Path, store: Path, tmp_path: Path) -> None:
    found = import_files([public / "voice-e15.ckpt", public / "voice_e8_s120.pth"])
    assert [bundle.folder for bundle in found.models] == [store / "voice"]
    s1, s2 = export_model("voice", tmp_path / "out")
    assert (s1.name, s2.name) == ("voice.ckpt", "voice.pth")
    assert_same_file(s1, public / "voice-e15.ckpt")
    assert_same_file(s2, public / "voice_e8_s120.pth")
    again = export_model("voice", tmp_path / "again")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in (s1, s2)]
    for path, stage in ((s1, "GPT"), (s2, "SoVITS")):
        torch.load(path, weights_only=True) if stage == "GPT" else recognise(path)


def test_imported_and_direct_weights_are_the_same(public: Path) -> None:
    folder = import_files([public / "voice-e15.ckpt", public / "voice_e8_s120.pth"]).models[0].folder
    for direct, ours in (
        (load_text2semantic(public / "voice-e15.ckpt"), load_text2semantic(folder / "s1.safetensors")),
        (load_sovits(public / "voice_e8_s120.pth"), load_sovits(folder / "s2.safetensors")),
    ):
        state = ours.state_dict()
        assert state.keys() == direct.state_dict().keys()
        assert all(torch.equal(tensor, state[name]) for name, tensor in direct.state_dict().items())


def test_the_manifest_of_an_import(public: Path) -> None:
    manifest = import_files([public / "voice-e15.ckpt", public / "voice_e8_s120.pth"]).models[0].manifest
    assert (manifest.family, manifest.symbols, manifest.front_end, manifest.prompt_silence) == (
        "v2",
        "v2",
        "public",
        0.6,
    )
    assert (manifest.hubert, manifest.bert) == ("shared:chinese-hubert-base", "shared:chinese-roberta-wwm-ext-large")
    assert manifest.speaker is None and manifest.sampling == {}
    old = import_files([public / "old_e8_s96.pth"]).models[0].manifest
    assert (old.name, old.family, old.symbols, old.s1) == ("old", "v1", "v1", None)


def test_what_is_missing_is_said_in_one_sentence(public: Path) -> None:
    found = import_files([public / "voice-e15.ckpt", public / "voice_e8_s120.pth"])
    wanted = "needs chinese-hubert-base, chinese-roberta-wwm-ext-large, which every public model shares"
    assert len(found.notes) == 1 and wanted in found.notes[0] and "import-pretrained FOLDER" in found.notes[0]
    with pytest.raises(CheckpointError, match=wanted):
        load_parts("voice", "cpu")


def test_nothing_is_overwritten_and_nothing_half_written(public: Path, store: Path, tmp_path: Path) -> None:
    files = [public / "voice-e15.ckpt", public / "voice_e8_s120.pth"]
    import_files(files)
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    with pytest.raises(CheckpointError, match="exists already: choose another name with --name"):
        import_files(files)
    broken = tmp_path / "broken.pth"
    weight = {name: t.half() for name, t in public_files.filled("s2G_v2_small").items() if "enc_q" not in name}
    del weight["dec.conv_pre.bias"]
    content = {"weight": weight, "config": public_files.s2_config("s2G_v2_small"), "info": ""}
    broken.write_bytes(public_files.public_bytes(content))
    with pytest.raises(CheckpointError, match=r"broken\.pth does not fit Synthesizer: it lacks generator\.entry\.bias"):
        import_files([broken])
    assert before == {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    export_model("voice", tmp_path / "out")
    with pytest.raises(CheckpointError, match="exist already"):
        export_model("voice", tmp_path / "out")
    assert export_model("voice", tmp_path / "out", overwrite=True)


def test_files_that_do_not_belong_together(public: Path) -> None:
    with pytest.raises(CheckpointError, match=r"phones of v2 .* those of v1"):
        import_files([public / "voice-e15.ckpt", public / "old_e8_s96.pth"])
    with pytest.raises(CheckpointError, match="are both s1"):
        import_files([public / "voice-e15.ckpt", public / "voice-e15.ckpt"])
    for name in ("../out", "shared", "", ".hidden"):
        with pytest.raises(CheckpointError, match="cannot be the name of a model"):
            import_files([public / "voice-e15.ckpt"], name=name or "/")


def test_a_base_gives_the_other_stage(public: Path) -> None:
    import_files([public / "voice-e15.ckpt", public / "voice_e8_s120.pth"], name="v2")
    second = import_files([public / "voice_e8_s120.pth"], name="second").models[0]
    assert second.manifest.s1 == "model:v2" and second.need("s1") == find_model("v2").need("s1")
    third = import_files([public / "voice-e15.ckpt"], name="third", base="v2").models[0]
    assert third.manifest.s2 == "model:v2" and third.manifest.family == "v2"
    with pytest.raises(CheckpointError, match="give another --base"):
        import_files([public / "old_e8_s96.pth"], base="v2")
    with pytest.raises(CheckpointError, match="model:v2 is needed by second, third"):
        removable("v2")


def test_a_v3_model_is_kept_and_says_so(tmp_path: Path, public: Path) -> None:
    path = tmp_path / "singer_e2_s10.pth"
    weight = {name: tensor.half() for name, tensor in public_files.filled("s2G_v3_small").items()}
    content = {"weight": weight, "config": public_files.s2_config("s2G_v3_small"), "info": "2epoch_10iteration"}
    path.write_bytes(public_files.public_bytes(content, b"02"))
    found = import_files([public / "voice-e15.ckpt", path])
    assert found.models[0].manifest.family == "v3" and "can not be spoken with yet" in found.notes[0]
    with pytest.raises(CheckpointError, match=r"has a v3 or v4 decoder, which can be kept"):
        load_sovits(found.models[0].need("s2"))
    with pytest.raises(CheckpointError, match=r"has a v3 or v4 decoder, which can be kept"):
        load_sovits(path)
    assert_same_file(export_model("singer", tmp_path / "out")[1], path)


def test_the_posterior_goes_back_where_it_came_from(tmp_path: Path) -> None:
    path = public_files.write_s2(tmp_path / "base.pth", posterior=True)
    import_files([path])
    assert_same_file(export_model("base", tmp_path / "out")[0], path)


def test_a_model_made_here_is_exported_where_the_public_has_its_form(tmp_path: Path, public: Path, store: Path) -> None:
    new_model(tmp_path / "own", "debug")
    with pytest.raises(CheckpointError, match=r"cannot be given to the public GPT-SoVITS: its (stage 1|generator)"):
        export_model(tmp_path / "own", tmp_path / "out")
    folder = import_files([public / "voice-e15.ckpt", public / "voice_e8_s120.pth"]).models[0].folder
    for stage in ("s1", "s2"):  # as a training here leaves them: without the public configuration
        file = load_checkpoint(folder / f"{stage}.safetensors")
        from gpt_sovits.core.checkpoint import save_checkpoint

        tensors = {name: tensor.clone() for name, tensor in file.tensors.items()}
        save_checkpoint(folder / f"{stage}.safetensors", stage, file.config, tensors, {"steps": 7})
    s1, s2 = export_model("voice", tmp_path / "out")
    assert read_foreign(s2).tree["info"] == "0epoch_7iteration"
    assert recognise(s2).family == "v2" and load_sovits(s2).config == load_sovits(folder / "s2.safetensors").config
    assert load_text2semantic(s1).config == load_text2semantic(folder / "s1.safetensors").config


def test_manifests_hold_no_paths_of_this_machine(public: Path, store: Path) -> None:
    import_files([public / "voice-e15.ckpt", public / "voice_e8_s120.pth"])
    values = yaml.safe_load((store / "voice" / "model.yaml").read_text(encoding="utf8"))
    assert not any(str(public) in str(value) for value in values.values())
