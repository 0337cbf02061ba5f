"""Loading takes no more memory than the files, in a process of its own and at full size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gpt_sovits.core.checkpoint import save_checkpoint
from tests.exchange import public_files

SCRIPT = """
import json, os, sys
from ar import load_text2semantic
from sovits.checkpoint import load_sovits
import sovits.model

def status(name):
    line = next(line for line in open("/proc/self/status") if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024

s1, s2, dtype = sys.argv[1:]
open("/proc/self/clear_refs", "w").write("5")  # the peak counts from here
before = status("VmRSS")
models = [load_text2semantic(s1, dtype=dtype), load_sovits(s2, fuse=True, dtype=dtype)]
for model in models:  # every page is used, as speaking would
    for tensor in model.state_dict().values():
        tensor.detach().flatten()[::1024].sum()
size = os.path.getsize(s1) + os.path.getsize(s2)
print(json.dumps({"ratio": (status("VmHWM") - before) / size, "compiler": "torch._dynamo" in sys.modules}))
"""


def cheap(name: str) -> dict[str, Tensor]:
    """Weights of a table's shapes in half precision, quickly made."""
    shapes = {key: row[0] for key, row in public_files.tables()[name]["keys"].items() if "enc_q" not in key}
    return {key: torch.full(shape, 0.01, dtype=torch.float16) for key, shape in shapes.items()}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Stage 1 of v2 and stage 2 of v2ProPlus at full size, as importing leaves them: 328 MB."""
    from ar.convert import from_public, public_config
    from sovits.convert import config_from_public
    from sovits.convert import from_public as s2_from_public

    family = "v2ProPlus"
    folder, weights = tmp_path_factory.mktemp("full"), cheap(f"s2G_{family}")
    s1, s2 = folder / "s1.safetensors", folder / "s2.safetensors"
    config = public_config(public_files.tables()["s1_v2"]["config"]["model"])
    save_checkpoint(s1, "s1", config, from_public(cheap("s1_v2")))
    config_2 = config_from_public(public_files.s2_config(f"s2G_{family}")["model"], weights)
    save_checkpoint(s2, "s2", config_2, s2_from_public(weights))
    return s1, s2


@pytest.mark.parametrize(
    # float32 is twice the file; a copy too many would add 1 (float16) or 2 more. 2.21 to 2.31 were seen.
    ("dtype", "most"),
    [("float16", 1.3), ("float32", 2.4)],
    ids=["half, fused", "widened to float32, fused"],
)
def test_the_peak_of_loading(files: tuple[Path, Path], dtype: str, most: float, repository: Path) -> None:
    """Widening half precision takes twice the files, and nothing on top."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, files), dtype], cwd=repository, capture_output=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["ratio"] <= most and not found["compiler"], found
