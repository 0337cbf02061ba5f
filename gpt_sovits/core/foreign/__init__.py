"""The one reader of files that other programs wrote: torch pickles of every age, safetensors, Hugging Face folders.

Nothing in such a file is imported, called or run: a pickle's instructions are carried out on plain data, classes come
out as inert records, tensors stay in the file and are mapped. A file that is damaged, or asks for what no model needs,
is refused in one sentence.
"""

from gpt_sovits.core.foreign.folder import read_folder, read_folder_config
from gpt_sovits.core.foreign.reader import read_foreign
from gpt_sovits.core.foreign.tree import ForeignFile, Inert, as_dict, plain
from gpt_sovits.core.foreign.weights import find_weights, is_finite, state_dict

__all__ = [
    "ForeignFile",
    "Inert",
    "as_dict",
    "find_weights",
    "is_finite",
    "plain",
    "read_folder",
    "read_folder_config",
    "read_foreign",
    "state_dict",
]
