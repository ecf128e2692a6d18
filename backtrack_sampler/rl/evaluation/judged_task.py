"""The prompts of a run with its judge, as a task of the benchmark suite."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...benchmark.arms import digest
from ...benchmark.config.model_section import ModelSection
from ...benchmark.tasks import DEVELOPMENT, TEST, Item, Score, Task
from ...discovery import load_provider
from ...errors import InputError
from ..judges.base_judge import Answer, Judge
from ..judges.from_config import JudgeSection, make_judge

__all__ = ["PROMPTS", "JudgedTask", "write_prompts"]

#: The file of a run with its prompts: "train" and "held_out".
PROMPTS = "prompts.json"


def write_prompts(train: Sequence[Item], held_out: Sequence[Item]) -> str:
    """What stands in a run's file of prompts."""
    return json.dumps(
        {
            name: [[item.id, item.prompt] for item in items]
            for name, items in (("train", train), ("held_out", held_out))
        },
        indent=1,
    )


class JudgedTask(Task):
    """Subclass it with the run's folder.

    The development split are the prompts that the policy was trained on, the test split those that were held out.

    Attributes:
        folder: of the run.
        most: tokens of an answer.
        model: what its configuration says of the model, as a dict.
        judge: section of its configuration, as a dict; its key comes from the environment.
    """

    name = "judged"
    scored_together = 8
    folder: str
    most: int
    model: dict[str, object]
    judge: dict[str, object]

    def __init__(self) -> None:
        file = Path(self.folder) / PROMPTS
        try:
            said = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{file} cannot be read: {error}") from error
        self._prompts: dict[str, list[list[str]]] = {DEVELOPMENT: said["train"], TEST: said["held_out"]}
        self.max_new_tokens = self.most
        self.version = digest([self.judge, "1"])
        self._made: Judge | None = None

    def items(self, split: str = TEST, limit: int | None = None) -> list[Item]:
        return [Item(f"{split} {name}", prompt) for name, prompt in self._prompts[split][:limit]]

    def _judge(self) -> Judge:
        if self._made is None:
            config = ModelSection.model_validate(self.model)
            section = JudgeSection.model_validate(self.judge)
            # The heuristic asks the model that has written the texts; others need none.
            provider = (
                load_provider(config.model_name_or_path, config.engine, **config.model_options())
                if section.asks_writer
                else None
            )
            self._made = make_judge(section, provider, Path(self.folder) / "judge_cache.sqlite")
        return self._made

    def prepare(self) -> None:
        self._judge().check()

    def score(self, item: Item, text: str) -> Score:
        return next(iter(self.scores([(item, text)])))

    def scores(self, answers: Sequence[tuple[Item, str]]) -> Iterator[Score]:
        said = [Answer(str(item.prompt), text, item) for item, text in answers]
        yield from (Score(score) for score in self._judge().scores(said))
