"""The public pretrained_models folder, with small networks in its places, and a voice spoken with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from ar import load_text2semantic, save_text2semantic
from gpt_sovits.core.bundle import Bundle, find_model, find_shared
from gpt_sovits.core.errors import CheckpointError
from gpt_sovits.exchange.importing import import_files
from gpt_sovits.exchange.pretrained import import_pretrained
from gpt_sovits.models import describe, removable
from gpt_sovits.pipeline import TTS
from gpt_sovits.pipeline.parts import load_parts
from gpt_sovits.pipeline.text import read_sentence
from gpt_sovits.train.bundle import install_part
from prep.config import PrepConfig
from prep.run import make_recipe
from sovits import load_sovits
from tests.exchange import public_files

HUBERT = {
    "model_type": "hubert",
    "hidden_size": 768,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "conv_dim": [32] * 7,
}
BERT = {
    "model_type": "bert",
    "vocab_size": 40,
    "hidden_size": 1024,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out as the public project has it."""
    from transformers import BertConfig, BertForMaskedLM, HubertConfig, HubertModel

    root = tmp_path_factory.mktemp("pretrained_models")
    torch.manual_seed(0)
    for name, config, network in (
        ("chinese-hubert-base", HUBERT, HubertModel(HubertConfig(**HUBERT))),
        ("chinese-roberta-wwm-ext-large", BERT, BertForMaskedLM(BertConfig(**BERT))),
    ):
        folder = root / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config), encoding="utf8")
        torch.save(network.state_dict(), folder / "pytorch_model.bin")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "你", "好", *map(str, range(34))]
    (root / "chinese-roberta-wwm-ext-large" / "vocab.txt").write_text("\n".join(words), encoding="utf8")
    final = root / "gsv-v2final-pretrained"
    final.mkdir()
    public_files.write_s1(final / "s1bert25hz-5kh-longer-epoch=12-step=369668.ckpt")
    public_files.write_s2(final / "s2G2333k.pth", posterior=True)
    public_files.write_s1(root / "s1v3.ckpt")
    public_files.write_s2(root / "s2G488k.pth", "s2G_v1_small", posterior=True)
    (root / "lid.176.bin").write_bytes(b"not a network")
    return root


def test_everything_is_found_and_a_voice_speaks(
    tree: Path, public: Path, store: Path, clips: Path, tmp_path: Path
) -> None:
    before = import_files([public / "voice-e15.ckpt", public / "voice_e8_s120.pth"]).models[0]
    assert before.missing() == ["chinese-hubert-base", "chinese-roberta-wwm-ext-large"]
    lines: list[str] = []
    found = import_pretrained(tree, report=lines.append)
    assert [bundle.manifest.name for bundle in found.models] == ["v1", "v2"]
    assert sorted(path.stem for path in found.shared) == ["chinese-hubert-base", "chinese-roberta-wwm-ext-large"]
    assert any("lid.176.bin" in note for note in found.notes)
    first, second = found.models
    assert second.manifest.s1 is not None and second.manifest.s1.startswith("shared:s1-v2-")
    assert first.manifest.s1 is None  # its own stage 1 was not in the folder, and s1v3 knows other phones
    assert before.missing() == [] and describe(second)["missing"] == []
    parts = load_parts("voice", "cpu")
    assert parts.front_end == "public" and parts.prompt_silence == 0.6
    sentence = read_sentence(parts, "你好。", "zh")
    assert sentence.bert is not None and sentence.bert.abs().sum() > 0
    options = {"language": "en", "max_codes": 12, "retries": 0, "seed": 1}
    audio = TTS(parts).speak("Hello there.", reference=clips / "ben_en_1.ogg", **options)
    assert audio.rate == 32000 and audio.seconds > 0.4
    check_training(tmp_path / "trained", second)
    again = import_pretrained(tree)
    assert [bundle.folder for bundle in again.models] == [bundle.folder for bundle in found.models]
    with pytest.raises(CheckpointError, match="shared:chinese-hubert-base is needed by v1, v2, voice"):
        removable("shared:chinese-hubert-base")
    removable("voice").delete()
    assert not (store / "voice").exists()


def check_training(out: Path, source: Bundle) -> None:
    """What preparing and training take from an imported model, and what they leave behind."""
    assert make_recipe(out, source, ["text", "semantic"], "cpu", False, PrepConfig()).compat
    assert load_sovits(source.need("s2")).posterior is not None
    save_text2semantic(out / "s1.safetensors", load_text2semantic(source.need("s1")))
    trained = install_part(out, source, "s1")
    assert trained.manifest.front_end == "public" and trained.manifest.family == "v2"
    assert trained.need("s1") == out / "s1.safetensors" and trained.need("hubert").parent == out


def test_shared_parts_are_not_mixed_up(tree: Path, tmp_path: Path) -> None:
    import_files([tree / "chinese-hubert-base"])
    import_files([tree / "chinese-hubert-base"])
    other = tmp_path / "other"
    other.mkdir()
    for path in (tree / "chinese-hubert-base").iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    state = torch.load(other / "pytorch_model.bin", weights_only=True)
    torch.save({name: tensor * 2 for name, tensor in state.items()}, other / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="another part is called chinese-hubert-base already"):
        import_files([other])
    import_files([other], name="louder")
    assert find_shared("louder") is not None


def test_links_out_of_the_tree_are_left_out(tmp_path: Path) -> None:
    """But those of a download cache, and within the tree, are its files."""
    snapshot = tmp_path / "models--x" / "snapshots" / "1"
    (snapshot / "deep").mkdir(parents=True)
    blobs = tmp_path / "models--x" / "blobs"
    blobs.mkdir()
    public_files.write_s1(blobs / "abc")
    (snapshot / "deep" / "s1.ckpt").symlink_to(blobs / "abc")
    public_files.write_s1(tmp_path / "secret.ckpt")
    (snapshot / "linked.ckpt").symlink_to(tmp_path / "secret.ckpt")
    with pytest.raises(CheckpointError, match="holds no model"):  # a stage 1 alone makes none
        import_pretrained(snapshot)
    public_files.write_s2(blobs / "def")
    (snapshot / "deep" / "s2.pth").symlink_to(blobs / "def")
    found = import_pretrained(snapshot)
    assert [bundle.manifest.s1 for bundle in found.models] == ["shared:s1"]
    assert [note for note in found.notes if "linked.ckpt is a link that leads out of its folder" in note]


def test_a_folder_without_models(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no model of GPT-SoVITS"):
        import_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="is not a folder"):
        import_pretrained(tmp_path / "none")
    with pytest.raises(CheckpointError, match="there is no model 'v2'"):
        find_model("v2")
