"""The section `judge` of a configuration, and the judge that it stands for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from ...errors import InputError, MissingPackageError

try:
    from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
except ImportError as error:
    raise MissingPackageError('pydantic is not installed: pip install "backtrack_sampler[rl]"') from error

from ...benchmark.config.sections import Section, told
from ...benchmark.tasks.find import find_task
from ...discovery import function_of_file, path_and_class
from ...provider.base_provider import BaseProvider
from .. import judges
from .base_judge import Judge
from .checker_judge import Checker, CheckerJudge
from .heuristic_judge import HeuristicJudge
from .template import Template

__all__ = ["JudgeSection", "make_judge"]

_KINDS = ("kind", "task", "checker", "model")
_FOR_MODELS = (
    "api_key", "base_url", "timeout", "max_retries", "concurrency", "max_calls", "template", "temperature",
    "max_tokens",
)  # fmt: skip


def _key(value: Any) -> Any:
    """Refuse what is no text without repeating it; and take the stand-in of an example for what it is."""
    if value is not None and not isinstance(value, (str, SecretStr)):
        raise ValueError("must be text: put it in quotes")
    return None if isinstance(value, str) and value.strip() in ("", "sk-...") else value


def _template(text: str) -> str:
    with told():
        Template(text, ["prompt", "text"])
    return text


def _checker(name: str) -> str:
    with told():
        _function(name)
    return name


def _task(name: str) -> str:
    with told():
        find_task(name, allow_code_execution=True)  # whether that is allowed is not known here
    return name


class JudgeSection(Section):
    """Who says what a text is worth: one of `model`, `checker`, `task` and `kind`; nothing is the heuristic.

    The key is in nothing that is made of a section: not in `model_dump`, `repr`, a pickle or a message. Whoever reads
    back what was written needs OPENAI_API_KEY.

    Attributes:
        kind: "heuristic", see `HeuristicJudge`.
        task: of the benchmark suite, by name: its checker. See `find_task`.
        checker: FILE.py:function, called with prompt and text. See `CheckerJudge`.
        model: at an OpenAI-compatible endpoint, with all that follows. See `OpenAIJudge`.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    kind: Literal["heuristic"] | None = None
    task: Annotated[str, AfterValidator(_task)] | None = None
    checker: Annotated[str, AfterValidator(_checker)] | None = None
    model: Annotated[str, Field(min_length=1)] | None = None
    api_key: Annotated[SecretStr | None, BeforeValidator(_key), Field(exclude=True)] = None
    base_url: str | None = None
    timeout: Annotated[float, Field(gt=0)] = 60.0
    max_retries: Annotated[int, Field(ge=0)] = 6
    concurrency: Annotated[int, Field(ge=1)] = 8
    max_calls: Annotated[int, Field(ge=1)] | None = None
    template: Annotated[str, AfterValidator(_template)] | None = None
    temperature: Annotated[float, Field(ge=0)] | None = 0.0
    max_tokens: Annotated[int, Field(ge=1)] | None = 64

    @property
    def asks_writer(self) -> bool:
        """Whether it asks the model that writes the texts: the heuristic does."""
        return self.model is None and self.task is None and self.checker is None

    @model_validator(mode="after")
    def _one_judge(self) -> JudgeSection:
        named = [name for name in _KINDS if getattr(self, name) is not None]
        if len(named) > 1:
            raise ValueError(f"has {' and '.join(named)}, which are judges of their own: leave all but one out")
        usual = type(self).model_fields  # which a section that was written in full has, too
        others = [name for name in _FOR_MODELS if getattr(self, name) != usual[name].default]
        if others and self.model is None:
            raise ValueError(f"has {others[0]}, which is for a model: name the model that judges, or leave it out")
        return self

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        return {**state, "__dict__": {**state["__dict__"], "api_key": None}}


def make_judge(
    section: JudgeSection,
    provider: BaseProvider | None,
    cache_path: str | os.PathLike[str] | None,
    allow_code_execution: bool = False,
) -> Judge:
    """The judge of a section. Nobody is asked yet: see `Judge.check`.

    Args:
        provider: the model that writes the texts, for the heuristic; others need none.
        cache_path: where a model's replies are kept; None: as long as the process runs.
        allow_code_execution: see `find_task`.

    Raises:
        InputError: it cannot be made as it is described.
        MissingPackageError: it needs a package that is not installed.
    """
    if section.model is not None:
        from .openai_judge import TEMPLATE, OpenAIJudge

        return OpenAIJudge(
            section.model,
            base_url=section.base_url,
            api_key=None if section.api_key is None else section.api_key.get_secret_value(),
            timeout=section.timeout,
            max_retries=section.max_retries,
            concurrency=section.concurrency,
            max_calls=section.max_calls,
            template=section.template or TEMPLATE,
            cache=cache_path,
            temperature=section.temperature,
            max_tokens=section.max_tokens,
        )
    if section.checker is not None:
        return CheckerJudge(_function(section.checker))
    if section.task is not None:
        return CheckerJudge(find_task(section.task, allow_code_execution=allow_code_execution))
    if provider is None:
        raise InputError("the heuristic asks the model that writes the texts: give its provider")
    return HeuristicJudge(provider)


def _function(name: str) -> Checker:
    """A function in somebody's file."""
    path, wanted = path_and_class(name)
    if not path:
        raise InputError(f"the judge's checker must be FILE.py:function, not {name!r}")
    return function_of_file(str(Path(path).expanduser()), wanted, "checker", judges)
