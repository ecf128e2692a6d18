"""The sections of an experiment's YAML file: what may stand there, and what it means."""

from __future__ import annotations

import importlib.util
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Annotated, Any, ClassVar

from ...errors import BacktrackError, InputError, MissingPackageError

try:
    from pydantic import (
        AfterValidator,
        AliasChoices,
        BaseModel,
        BeforeValidator,
        ConfigDict,
        Field,
        ValidationInfo,
        field_validator,
        model_validator,
    )  # fmt: skip
    from pydantic_core import PydanticCustomError
except ImportError as error:
    raise MissingPackageError('pydantic is not installed: pip install "backtrack_sampler[benchmark]"') from error

from ..places import check_folder, whole_path
from ..tuning.storage_check import check_storage
from .contenders import checked, cut_at_comma, kind_of
from .problems import ELSEWHERE
from .tunings import DEFAULT_TRIALS

__all__ = [
    "Contender",
    "Controls",
    "Evaluation",
    "Generation",
    "Hpo",
    "Section",
    "Tune",
    "or_none",
    "or_nothing",
    "told",
]


@contextmanager
def told() -> Iterator[None]:
    """Whatever is wrong is one problem of several."""
    try:
        yield
    except BacktrackError as error:
        raise ValueError(str(error)) from error


def _listed(value: Any) -> Any:
    """One thing is a list of one."""
    return value if isinstance(value, list) or value is None else [value]


def or_nothing(value: Any) -> Any:
    """A section of which every line is commented out."""
    return {} if value is None else value


def or_none(value: Any) -> Any:
    """The same with a list."""
    return [] if value is None else value


def _spec(text: str) -> str:
    with told():
        checked(text)
    return text


def _task(text: str, info: ValidationInfo) -> str:
    from ..tasks.find import find_task

    allowed = bool((info.context or {}).get("allow_code_execution", True))
    chat, shots = bool(info.data.get("chat")), info.data.get("num_fewshot")
    try:
        find_task(text, shots, chat, allowed)
    except BacktrackError as error:
        if shots is not None:
            with suppress(BacktrackError):
                find_task(text, None, chat, allowed)  # then it is not the task that is at fault
                told = {"place": ("evaluation", "num_fewshot"), "said": str(error)}
                raise PydanticCustomError(ELSEWHERE, "{said}", told) from error
        raise ValueError(f"no task {text!r}: {advice}" if (advice := cut_at_comma(text)) else str(error)) from error
    return text


def _name(text: str) -> str:
    """A name stands in tables, in files and on a page, in one line."""
    if not text.strip():
        raise ValueError("is empty: write a name, or leave the line out")
    if any(unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") for each in text):
        raise ValueError(f"must be one line of text, not {text!r}")
    return text


Count = Annotated[int, Field(ge=1)]
Limit = Annotated[int, Field(ge=1, le=1_000_000)]  # more is a slip: making the items alone would take hours
Share = Annotated[float, Field(gt=0, le=1)]
Temperature = Annotated[float, Field(ge=0)]
Name = Annotated[str, AfterValidator(_name)]
Spec = Annotated[str, AfterValidator(_spec)]
TaskName = Annotated[str, AfterValidator(_task)]
Temperatures = Annotated[list[Temperature], BeforeValidator(_listed), Field(min_length=1)]
Shares = Annotated[list[Share], BeforeValidator(_listed), Field(min_length=1)]


class Section(BaseModel):
    """Keys that are known, values of the right type, nothing turned into something else."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True, protected_namespaces=())


class Evaluation(Section):
    """What is asked.

    Attributes:
        num_fewshot: examples before each question; None: as many as the task has by itself.
        chat: ask through the model's chat template.
        tasks: see `tasks.find`.
        limit: most items of each task; None: all.
        development_limit: most items of the development split, for tuning; None: as `limit`.
        output_dir: the folder of everything that is written.
        repeats: texts for each item and row, each with a seed of its own; `runs` is another name for it.
        seed: all others come from it.
        max_batch: most texts at once.
        cache_gib: memory for what the model has said already, in GiB; 0 for none.
        inspect_logs: write logs for the viewer of inspect-ai as well, which takes some milliseconds a text.
        traces: most texts of each row whose traces are written, of the items that have changed.
    """

    num_fewshot: Annotated[int, Field(ge=0)] | None = None
    chat: bool = False
    tasks: Annotated[list[TaskName], BeforeValidator(_listed), Field(min_length=1)]
    limit: Limit | None = None
    development_limit: Limit | None = None
    output_dir: str = "benchmark_results"
    repeats: Count = Field(1, validation_alias=AliasChoices("repeats", "runs"))
    seed: Annotated[int, Field(ge=0)] = 0
    max_batch: Annotated[int, Field(ge=1, le=10_000)] = 16
    cache_gib: Annotated[float, Field(ge=0, le=100_000)] = 1.0
    inspect_logs: bool = False
    traces: Annotated[int, Field(ge=0)] = 20

    @field_validator("output_dir", mode="after")
    @classmethod
    def _can_be_written(cls, text: str) -> str:
        with told():
            check_folder(whole_path(text))
        return text

    @field_validator("inspect_logs", mode="after")
    @classmethod
    def _can_be_logged(cls, wanted: bool) -> bool:
        if wanted and importlib.util.find_spec("inspect_ai") is None:
            raise ValueError('needs inspect-ai: pip install "backtrack_sampler[benchmark]", or leave it out')
        return wanted


class Generation(Section):
    """How every row draws, unless it says otherwise itself.

    Attributes:
        max_new_tokens: most tokens of a text; None: what each task says.
        temperature: one or several; every strategy is measured at each of them. 0 is greedy.
        top_k, top_p, min_p: see `SessionOptions`.
        backtrack_every_n: for all operators that do not say it themselves, see `OperatorStrategy`.
    """

    max_new_tokens: Count | None = None
    temperature: Temperatures = [1.0]
    top_k: Annotated[int, Field(ge=0)] | None = 50
    top_p: Share | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    backtrack_every_n: Count | None = None


class Contender(Section):
    """One entry of `strategies`: a spec, a list of them (a chain), or all that is said of it.

    Attributes:
        name: of its row; None: its specs.
        strategy, operator, chain: one of these three.
        temperature, top_k, top_p, min_p: its own, in the place of those of `Generation`.
    """

    #: What is said of a key that there is not.
    advice: ClassVar[str] = "parameters stand in the spec, such as operator: repetition:max_repetitions=3"

    name: Name | None = None
    strategy: str | None = None
    operator: str | None = None
    chain: Annotated[list[Spec], Field(min_length=1)] | None = None
    temperature: Temperatures | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    top_p: Share | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, (str, list)):
            return {"chain": _listed(value)}
        return value

    @field_validator("strategy", "operator", mode="after")
    @classmethod
    def _usable(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is not None:
            with told():
                checked(text, info.field_name)
        return text

    @cached_property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """Kind and spec of each, in order."""
        if self.chain is not None:
            return tuple(checked(text) for text in self.chain)
        return tuple((kind, text) for kind in ("strategy", "operator") if (text := getattr(self, kind)) is not None)


class Controls(Section):
    """What stands beside the strategies in every table.

    Attributes:
        temperatures: of the sweep.
        min_p: tried at each temperature above 0 that a row has.
        top_p: tried at the highest of them.
        sampled_at: the temperature at which best-of-n and majority draw beside a row that is greedy itself:
            drawn greedily, all their texts would be the same.
    """

    temperatures: Temperatures = [0.3, 0.5, 0.7, 1.0, 1.5]
    min_p: Shares = [0.05, 0.1]
    top_p: Shares = [0.9, 0.95]
    sampled_at: Annotated[float, Field(gt=0)] = 0.7


class Tune(Section):
    """One entry of `hpo.tune`: a spec, or all that is said of it.

    Attributes:
        name: of its row; None: its spec, and "tuned".
        operator, strategy: one of both.
        search_space: see `read_range`; None: that which a built-in operator has.
        n_trials: None: as in `Hpo`.
    """

    name: Name | None = None
    operator: str | None = None
    strategy: str | None = None
    search_space: Annotated[dict[str, Any], BeforeValidator(or_nothing)] = {}
    n_trials: Count | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return {kind_of(value): value}
        except InputError:  # which `tunings` tells
            return {"operator": value}


class Hpo(Section):
    """Tuning, on the development split.

    Attributes:
        n_trials: settings that are tried.
        search_space: of `operator_to_tune`.
        storage: a file for a journal, or the URL of a database; None: a journal in the output folder.
        study_name: the same one for all that work on it.
        seed: of the sampler.
        tune: what else is tuned.
    """

    n_trials: Count = DEFAULT_TRIALS
    search_space: Annotated[dict[str, Any], BeforeValidator(or_nothing)] = {}
    storage: str | None = None
    study_name: Name | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    tune: Annotated[list[Tune], BeforeValidator(or_none)] = []

    @field_validator("storage", mode="after")
    @classmethod
    def _can_be_opened(cls, text: str | None) -> str | None:
        if text is not None:
            with told():
                check_storage(text)
        return text
