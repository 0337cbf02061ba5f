"""What is known about the files of the public GPT-SoVITS: heads, sums, sizes, family traits."""

from __future__ import annotations

from typing import Literal

Family = Literal["v1", "v2", "v2Pro", "v2ProPlus", "v3", "v4"]

HEADS: dict[bytes, Family] = {
    b"00": "v1",
    b"01": "v2",
    b"02": "v3",
    b"03": "v3",
    b"04": "v4",
    b"05": "v2Pro",
    b"06": "v2ProPlus",
}
"""What may stand in place of a zip file's first two bytes; 03 and 04 mark LoRA files."""

WRITTEN_HEADS: dict[str, bytes] = {"v2Pro": b"05", "v2ProPlus": b"06"}
"""Heads without which the public loader would take a full model for another family."""

PUBLISHED: dict[str, tuple[str, Family]] = {
    "dc3c97e17592963677a4a1681f30c653": ("s2G488k", "v1"),
    "43797be674a37c1c83ee81081941ed0f": ("s2Gv3", "v3"),
    "6642b37f3dbb1f76882b69937c95a5f3": ("s2G2333k", "v2"),
    "4f26b9476d0c5033e04162c486074374": ("s2Gv4", "v4"),
    "c7e9fce2223f3db685cdfa1e6368728a": ("s2Gv2Pro", "v2Pro"),
    "66b313e39455b57ab1b0bc0b239c9d0a": ("s2Gv2ProPlus", "v2ProPlus"),
}
"""MD5 of the first 8192 bytes of the published pretrained files: their name and family."""

FLOW_FAMILIES = ("v3", "v4")
SPEAKING = ("v1", "v2", "v2Pro", "v2ProPlus")
"""Families that this project can speak with."""

V1_ROWS = 512
"""Phone rows of a v1 stage 1."""

LANGUAGES: dict[str, tuple[str, ...]] = {"v1": ("zh", "en", "ja"), "v2": ("zh", "en", "ja", "ko", "yue")}
"""What the published models of a symbol table were trained on."""
