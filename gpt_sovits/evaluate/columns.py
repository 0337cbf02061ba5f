"""Every figure of a result: what it is called, which way is better, how items become a total."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Group = Literal["main", "stability", "prosody", "signal", "speed"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One column of the item table and its total over a set."""

    name: str
    label: str
    better: Literal[-1, 0, 1]
    """1: more is better; -1: less is better; 0: neither."""
    group: Group = "main"
    over: str | None = None
    """Name of the column a total is divided by: edits over units, not the mean of rates."""
    scale: float = 1.0
    """Multiplies the total for display: 100 for percent, 1000 for events in a thousand sentences."""
    unit: str = ""
    digits: int = 2

    @property
    def part(self) -> str:
        """The column whose sum is divided: that of a ratio is `edits`."""
        return "edits" if self.over else self.name


def _fault(name: str, label: str) -> Figure:
    return Figure(name, label, -1, "stability", scale=1000, unit="per 1000", digits=0)


FIGURES: tuple[Figure, ...] = (
    Figure("error_rate", "word / character errors", -1, over="units", scale=100, unit="%"),
    Figure("similarity", "speaker similarity", 1, digits=3),
    Figure("similarity_eres2netv2", "speaker similarity, ERes2NetV2", 1, digits=3),
    Figure("similarity_wavlm-sv", "speaker similarity, WavLM-SV", 1, digits=3),
    Figure("dnsmos", "DNSMOS overall", 1),
    Figure("dnsmos_speech", "DNSMOS speech", 1),
    Figure("dnsmos_background", "DNSMOS background", 1),
    Figure("nisqa", "NISQA overall", 1),
    Figure("nisqa_noisiness", "NISQA noisiness", 1),
    Figure("nisqa_discontinuity", "NISQA discontinuity", 1),
    Figure("nisqa_coloration", "NISQA coloration", 1),
    Figure("nisqa_loudness", "NISQA loudness", 1),
    _fault("failed", "not spoken at all"),
    _fault("faulty", "sentences with any fault below"),
    _fault("skipped", "words skipped"),
    _fault("repeated", "words repeated"),
    _fault("babble", "words added at the end"),
    _fault("tail", "noise or silence at the end"),
    _fault("early_end", "ends too early"),
    _fault("wrong_language", "wrong language"),
    _fault("off_tempo", "much too slow or fast"),
    _fault("other_voice", "another voice"),
    _fault("clipped", "clipped"),
    _fault("loops", "stage 1 in a loop"),
    _fault("unfinished", "stage 1 did not end"),
    Figure("tempo", "tempo against the reference", 0, "prosody"),
    Figure("units_per_second", "words or characters a second", 0, "prosody"),
    Figure("pitch_correlation", "F0 correlation with the recording", 1, "prosody"),
    Figure("pitch_rmse", "F0 distance to the recording", -1, "prosody", unit="semitones"),
    Figure("mcd", "mel-cepstral distortion to the recording", -1, "prosody", unit="dB"),
    Figure("pitch", "median F0", 0, "prosody", unit="Hz", digits=0),
    Figure("seconds", "length", 0, "signal", unit="s"),
    Figure("loudness", "loudness", 0, "signal", unit="dB", digits=1),
    Figure("clipping", "samples at full scale", -1, "signal", scale=100, unit="%", digits=3),
    Figure("silence", "silence", 0, "signal", scale=100, unit="%", digits=1),
    Figure("bandwidth", "bandwidth", 0, "signal", unit="Hz", digits=0),
    Figure("rtf", "real-time factor", -1, "speed"),
    Figure("first_audio", "time to first audio", -1, "speed", unit="s"),
)
BY_NAME = {figure.name: figure for figure in FIGURES}
FAULTS = ("skipped", "repeated", "babble", "tail", "early_end", "wrong_language", "off_tempo", "other_voice", "clipped",
          "loops", "unfinished")  # fmt: skip
