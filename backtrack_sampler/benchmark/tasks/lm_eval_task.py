"""Any task of lm-evaluation-harness in which text is drawn, with its own prompts, filters and metrics."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ...checks import check_count, check_number
from ...errors import InputError
from ..arms import digest
from ..harness.requests import MAX_NEW_TOKENS, drawing_of
from .base_task import DEVELOPMENT, TEST, Item, Message, Score, Task
from .lm_eval_index import check_drawn, config_of, digest_of, load

__all__ = ["LmEvalTask"]

_FEWSHOT_SEED = 1234  # the harness's own: so its prompts are these
_NO_ANSWER = ("", "[invalid]")  # what filters give where they find nothing


class LmEvalTask(Task):
    """A task of lm-evaluation-harness whose `output_type` is `generate_until`.

    Prompts, few-shot examples, stop strings, limits, filters and metrics are the harness's. How tokens are
    drawn is the experiment's: nearly all of these tasks ask for greedy decoding, and no two ways of drawing
    could be compared then.

    The score is the first metric that the task names, after its first filter that takes a single answer:
    `gsm8k` is scored by `exact_match` after `strict-match`. `gsm8k:filter=flexible-extract` chooses another
    filter, and `metric=` another metric. Metrics that are better the lower they are count as 1 less them;
    those of another range than 0 to 1 need a `scale`, `scale=100` for percents. Metrics of a whole run (BLEU
    and its like) are no scores of an item.

    Tests are on the documents that the harness evaluates on, tuning on the validation or training
    documents, but for those that are among the former as well.

    Args:
        spec: NAME or NAME:key=value,...; the keys are `metric`, `filter`, `scale`, `shots` and
            `include_path`, a folder in which tasks are defined in YAML.
        shots: solved examples before each question; None: as many as the task says.
        chat: ask in conversations; each example is a question and its answer.
        allow_code_execution: some tasks run what the model has written to score it.

    Raises:
        InputError: there is no such task, or it cannot be one of these, or a key is not known. Nothing was
            downloaded.
        MissingPackageError: the harness is not installed.
    """

    def __init__(
        self, spec: str, shots: int | None = None, chat: bool = False, allow_code_execution: bool = False
    ) -> None:
        task_name, said = _read(spec)
        options = {key: value for key, value in said.items() if key != "include_path"}
        self.name = ":".join(filter(None, [task_name, ",".join(f"{key}={value}" for key, value in options.items())]))
        self._task_name = task_name
        self._metric, self._filter = said.get("metric"), said.get("filter")
        self._scale = check_number(f"{spec}: scale", _number(said.get("scale", "1")), 0)
        shots = _number(said["shots"]) if "shots" in said else shots
        self._shots = None if shots is None else check_count(f"{spec}: shots", shots, 0)
        self._chat = chat
        self._manager, self._config = config_of(task_name, said.get("include_path"))
        if self._config.get("unsafe_code") and not allow_code_execution:
            raise InputError(f"{task_name} runs what the model has written: --allow-code-execution lets it")
        filters = [each["name"] for each in self._config.get("filter_list") or []]
        if self._filter not in (None, *(filters or ["none"])):
            raise InputError(f"{task_name} has no filter {self._filter!r}: it has {', '.join(filters) or 'none'}")
        self.version = digest(
            [digest_of(self._manager, task_name), self._shots, chat, self._metric, self._filter, self._scale]
        )
        self.stop, self.max_new_tokens = _ends(self._config)
        self._loaded: dict[str, Any] = {}

    @functools.cached_property
    def _task(self) -> Any:
        """The harness's own, with its data."""
        task = load(self._manager, self._task_name, self._config)
        check_drawn(self._task_name, task.OUTPUT_TYPE)  # those that are Python classes say it only now
        if getattr(task, "MULTIMODAL", False):
            raise InputError(f"{self._task_name} shows images or plays sounds: the models here take text alone")
        if self._shots is not None:
            task.set_config("num_fewshot", self._shots)
        return task

    # -- items -----------------------------------------------------------------------------

    def items(self, split: str = TEST, limit: int | None = None) -> list[Item]:
        documents = list(self._documents(split, limit))
        if not documents:
            raise InputError(f"{self.name} has no documents to {'tune' if split == DEVELOPMENT else 'test'} on")
        task = self._task
        task.set_fewshot_seed(_FEWSHOT_SEED)
        stop, most = _ends(vars(task.config))
        items = [
            Item(
                id=f"{self._split(split)}-{number}-{digest_of_document(document)[:8]}",
                prompt=self._prompt(document, split),
                data={"split": split, "number": number, "target": _shown(task.doc_to_target(document))},
                options={"stop": list(stop), "max_new_tokens": most},
            )
            for number, document in documents
        ]
        self._check_scoring(documents[0][1])
        return items

    def _check_scoring(self, document: Mapping[str, Any]) -> None:
        """Refuse filters and metrics that are none of an item, before anything was written.

        What an empty answer is worth shows it, and the right one.
        """
        for answer in ("", _shown(self._task.doc_to_target(document))):
            filtered = self._filter_of_one(document, answer)
            try:
                metrics = self._task.process_results(document, [filtered])
            except Exception:  # anybody's checker, which may not take this: that will be said of each item
                continue
            self._value(metrics)

    def _documents(self, split: str, limit: int | None = None) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Number in its data, and document; none of the development split is in the test split."""
        tested = {digest_of_document(each) for each in self._all(TEST)} if split == DEVELOPMENT else set()
        count = 0
        for number, document in enumerate(self._all(split)):
            if limit is not None and count >= limit:
                return
            if digest_of_document(document) not in tested:
                count += 1
                yield number, document

    def _all(self, split: str) -> Any:
        if split not in self._loaded:
            task, name = self._task, self._split(split)
            if split == TEST:
                self._loaded[split] = task.eval_docs
            else:
                validates = name == task.config.validation_split
                self._loaded[split] = task.validation_docs() if validates else task.training_docs()
        return self._loaded[split]

    def _split(self, split: str) -> str:
        """What the harness calls it.

        Raises:
            InputError: there are no other documents than those that are tested on.
        """
        task = self._task
        if split == TEST:
            return str(task.config.test_split or task.config.validation_split)
        examples = task.fewshot_cfg.split
        others = [
            name
            for name, there in (
                (task.config.validation_split, task.has_validation_docs()),
                (task.config.training_split, task.has_training_docs()),
            )
            if there and name != self._split(TEST)
        ]
        if not others:
            raise InputError(
                f"{self.name} has no other documents than those it is tested on: nothing can be tuned on it"
            )
        return str(min(others, key=lambda name: name == examples))  # rather one that no example is taken from

    def _prompt(self, document: Mapping[str, Any], split: str) -> str | list[Message]:
        task = self._task
        prefix = task.doc_to_prefix(document)
        if self._chat and prefix:
            raise InputError(f"{self.name} begins the answer itself, which a conversation cannot: leave chat out")
        with _without(task, document, self._split(split)):
            context = task.fewshot_context(
                document,
                num_fewshot=task.config.num_fewshot or 0,
                apply_chat_template=self._chat,
                fewshot_as_multiturn=self._chat,
                chat_template=_messages if self._chat else None,
                gen_prefix=prefix,
            )
        if not self._chat:
            return str(context)
        return [{"role": each["role"], "content": each["content"]} for each in context]

    # -- scores ----------------------------------------------------------------------------

    def score(self, item: Item, text: str) -> Score:
        document = self._all(item.data["split"])[item.data["number"]]
        filtered = self._filter_of_one(document, text)
        return Score(self._value(self._task.process_results(document, [filtered])), _answer(filtered))

    def _value(self, metrics: Mapping[str, Any]) -> float:
        """The chosen one of an item's metrics, from 0 to 1.

        Raises:
            InputError: there is no such metric, or it is none of an item, or of another range.
        """
        task, known = self._task, list(metrics)
        name = self._metric or next((each for each in task.aggregation() if each in metrics), known[0])
        if name not in metrics:
            raise InputError(f"{self._task_name} has no metric {name!r}: it has {', '.join(known)}")
        try:
            value = float(metrics[name]) / self._scale
        except (TypeError, ValueError):
            raise InputError(
                f"{name} of {self._task_name} is a metric of a whole run, not of an item: choose another, metric=..."
            ) from None
        if not 0 <= value <= 1:
            raise InputError(
                f"{name} of {self._task_name} is {value:g} here, not from 0 to 1: say its scale=, as 100 for percents"
            )
        return value if task.higher_is_better().get(name, True) else 1 - value

    def _filter_of_one(self, document: Mapping[str, Any], text: str) -> Any:
        """An answer after the filter that was asked for, or the task's first one that takes a single answer.

        Raises:
            InputError: it takes several answers.
        """
        from lm_eval.api.instance import Instance

        for ensemble in self._task._filters:  # no method gives them one by one
            if self._filter not in (None, ensemble.name):
                continue
            instance = Instance("generate_until", dict(document), ("", {}), 0, (self._task_name, 0, 1), resps=[text])
            try:
                ensemble.apply([instance])  # it has filters for whole runs, so it gets one of one text
            except AssertionError:
                continue
            return instance.filtered_resps[ensemble.name]
        raise InputError(f"the filter of {self.name} takes several answers at once: choose another, filter=...")


def _read(spec: str) -> tuple[str, dict[str, str]]:
    """NAME:key=value,... apart."""
    name, _, rest = spec.partition(":")
    said = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals or key not in ("metric", "filter", "scale", "shots", "include_path"):
            raise InputError(f"task {name} takes metric=, filter=, scale=, shots= and include_path=, not {part!r}")
        said[key] = value
    return name, said


def _ends(config: Mapping[str, Any]) -> tuple[tuple[str, ...], int]:
    """Stop strings, and the most tokens of an answer."""
    drawn, _ = drawing_of(config.get("generation_kwargs") or {}, MAX_NEW_TOKENS, None)
    if "until" not in (config.get("generation_kwargs") or {}):  # as the harness has it
        drawn["stop"] = [config.get("fewshot_delimiter", "\n\n")]
    return tuple(drawn["stop"]), drawn["max_new_tokens"]


def _number(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def digest_of_document(document: Mapping[str, Any]) -> str:
    """What tells a document from others; 16 hexadecimal digits."""
    return digest(json.loads(json.dumps(dict(document), sort_keys=True, default=str)))


def _messages(messages: list[Message], **_: Any) -> list[Message]:
    """In the place of a chat template: the model's own comes later."""
    return messages


def _shown(target: Any) -> str:
    return target if isinstance(target, str) else json.dumps(target, default=str)


def _answer(filtered: Any) -> str | None:
    """What majority votes count."""
    if isinstance(filtered, (list, tuple)):
        filtered = filtered[0] if filtered else None
    if filtered is None or (isinstance(filtered, str) and filtered.strip() in _NO_ANSWER):
        return None
    return filtered.strip() if isinstance(filtered, str) else json.dumps(filtered, default=str)


@contextmanager
def _without(task: Any, document: Mapping[str, Any], split: str) -> Iterator[None]:
    """No example is the question itself, where both are of one split; the harness sees to that in tests alone."""
    own = task.fewshot_cfg.split
    examples = own or task.config.training_split or task.config.validation_split or task.config.test_split
    sampler = getattr(task, "sampler", None)
    if sampler is None or examples != split or own == task.config.test_split:
        yield
        return
    sample: Callable[..., Any] = sampler.sample
    sampler.sample = lambda n, eval_doc=None: sample(n, eval_doc=document)
    try:
        yield
    finally:
        del sampler.sample
