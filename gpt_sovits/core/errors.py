"""Every error this project raises on purpose.

GPTSoVITSError                 exit code 1; its text is one sentence with the value and the remedy
├── ConfigError                a YAML file, an override, a preset name
├── CheckpointError            a weights file that is missing, foreign, truncated or of another shape
├── MissingExtraError          an optional package is not installed
│   └── MissingLanguageError   … and a text is in the language that needs it (also a TextError)
├── InputError                 what a user handed over
│   ├── AudioError             a wav that cannot be read, is empty, silent, clipped, too short or long
│   ├── ReferenceAudioError    a reference outside 3 to 10 seconds
│   ├── TextError              nothing to say, an unknown language, a bad inline pronunciation
│   └── ManifestError          a line of a `.list` or jobs file
├── DatasetError               a prepared folder that is missing parts or holds nothing usable
├── TrainingError              a training that cannot go on: nothing finite, no memory, a process lost
└── StorageError               the disk is full or not writable
"""

from __future__ import annotations


class GPTSoVITSError(Exception):
    """Root of the tree; front ends print its text without a traceback."""


class ConfigError(GPTSoVITSError):
    """A configuration value or file is wrong."""


class CheckpointError(GPTSoVITSError):
    """A weights file cannot be used."""


class MissingExtraError(GPTSoVITSError):
    """An optional package is needed and absent."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package}; install it with: pip install 'gpt-sovits[{extra}]'")


class InputError(GPTSoVITSError):
    """Something the user handed over cannot be used."""


class AudioError(InputError):
    """An audio file cannot be used."""


class ReferenceAudioError(InputError):
    """A reference clip is outside the length the models were trained for."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the reference must last 3 to 10 seconds; this one lasts {seconds:.1f}: cut or choose another clip"
        )


class TextError(InputError):
    """A text cannot be spoken."""


class MissingLanguageError(MissingExtraError, TextError):
    """A text is in a language whose packages are not installed."""

    def __init__(self, package: str, language: str) -> None:
        name = {"ja": "Japanese", "ko": "Korean", "yue": "Cantonese"}.get(language, f"the language {language}")
        extra = language if language in {"ja", "ko", "yue"} else "all"
        super().__init__(package, extra, f"reading {name}")


class ManifestError(InputError):
    """A line of a list or jobs file is malformed."""


class DatasetError(GPTSoVITSError):
    """A prepared dataset folder cannot be trained on."""


class TrainingError(GPTSoVITSError):
    """A training cannot go on."""


class StorageError(GPTSoVITSError):
    """Nothing could be written."""


def one_sentence(error: GPTSoVITSError | OSError) -> str:
    """What to tell a user, on one line; the system's own errors name the file where they know it."""
    if isinstance(error, OSError):
        name = "" if error.filename is None else f"{error.filename}: "
        return f"{name}{error.strerror or error}"
    return " ".join(str(error).split())
