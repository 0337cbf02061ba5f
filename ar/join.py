"""Several utterances of one speaker as one, so that a model learns to go on in a voice it has just heard.

Speaking from a reference means reading [reference text, new text] and continuing [reference codes]. A model trained
from nothing on single sentences has never seen a sentence end in the middle, nor sequences of that length.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from ar.config import JoinConfig
from ar.data import CODE_RATE, Utterance
from gpt_sovits.core.errors import ConfigError


class Joiner:
    """Puts another utterance of the same speaker before some of them; what it does is a function of seed and epoch.

    Args:
        prompts: what the model continues when it speaks in its own manner, by language.

    Raises:
        ConfigError: the list of speakers is missing, or an utterance has BERT features, which are not joined.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        config: JoinConfig,
        seed: int,
        prompts: Mapping[str, Utterance] | None = None,
    ) -> None:
        if config.speakers is None:
            raise ConfigError("joined utterances need to know who speaks: --set data.join.speakers=LIST")
        listed = read_speakers(config.speakers)
        if any(u.bert is not None for u in utterances):
            raise ConfigError("data.join is for models that read no BERT features: leave it out for this folder")
        self.prompts = {} if prompts is None else prompts
        if config.own and not self.prompts:
            raise ConfigError("data.join.own is for models that bring prompts of their own: set it to 0 for this one")
        self.utterances, self.config, self.seed = utterances, config, seed
        self.speaker = [listed.get(u.name, (None, ""))[0] for u in utterances]
        self.language = [listed.get(u.name, (None, ""))[1] for u in utterances]
        self.mates: dict[str, list[int]] = {}
        for index, speaker in enumerate(self.speaker):
            if speaker is not None:
                self.mates.setdefault(speaker, []).append(index)

    def __call__(self, index: int, epoch: int) -> Utterance:
        """Utterance `index` as this epoch has it."""
        chosen, speaker = self.utterances[index], self.speaker[index]
        if speaker is None:
            return chosen
        source = random.Random(f"{self.seed}/{epoch}/{index}")  # noqa: S311 - an order, not a secret
        phones, codes = chosen.phones, chosen.codes
        own = self.prompts.get(self.language[index])
        if own is not None and source.random() < self.config.own:
            return Utterance(chosen.name, own.phones + phones, own.codes + codes, given=len(own.codes))
        for _ in range(self.config.most):
            if source.random() >= self.config.chance:
                break
            before = self._before(speaker, source)
            if before is chosen or len(before.codes) + len(codes) > self.config.longest * CODE_RATE:
                break
            phones, codes = before.phones + phones, before.codes + codes
        return chosen if codes is chosen.codes else Utterance(chosen.name, phones, codes)

    def _before(self, speaker: str, source: random.Random) -> Utterance:
        if self.config.strangers and source.random() < self.config.strangers:
            return self.utterances[source.randrange(len(self.utterances))]
        return self.utterances[source.choice(self.mates[speaker])]


def read_speakers(path: Path) -> dict[str, tuple[str, str]]:
    """Speaker and language of every recording name in a `path|speaker|language|text` list."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ConfigError(f"data.join.speakers names {path}, which cannot be read: {error.strerror}") from error
    fields = (line.split("|", 3) for line in lines)
    return {Path(row[0]).name: (row[1], row[2].lower()) for row in fields if len(row) == 4}
