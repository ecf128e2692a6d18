"""Many questions to one endpoint: each asked once, several at a time, within a budget, and what comes back is read."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from ...checks import check_count
from .base_judge import JudgeError
from .cache import Cache, digest
from .chat_endpoint import ChatEndpoint
from .first_answers import FirstAnswers
from .last_answers import LastAnswers
from .score_reading import NoScoreError, without_thoughts
from .side_by_side import side_by_side

__all__ = ["Asking"]

_log = logging.getLogger(__name__)


class Asking:
    """Asks questions, and reads replies.

    A reply that cannot be read is asked for once more, with a reminder. If it cannot be read then either, the question
    has no answer, and is asked again the next time: only what can be read is kept, for the same model at the same
    endpoint. If more than half of the first questions have no answer, something is set up wrongly; and if it is more
    than half of the last ones, something has become so.

    Args:
        read: a reply to a number; raises NoScoreError where it has none.
        reminder: what is said after a reply that cannot be read.
        model, base_url, api_key, timeout, max_retries, temperature, max_tokens: see `ChatEndpoint`.
        concurrency: questions that are under way at once.
        max_calls: most questions that are sent to the endpoint, reminders among them and what was kept not; None
            for no limit. What is sent again after an error counts once (see max_retries), though an endpoint may
            charge for each. A run that is resumed begins to count again.
        cache: see `Cache`.

    Raises:
        InputError: a value or a file that cannot be used.
    """

    def __init__(
        self,
        read: Callable[[str], float],
        reminder: str,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float = 60.0,
        max_retries: int = 6,
        concurrency: int = 8,
        max_calls: int | None = None,
        cache: str | os.PathLike[str] | None = None,
        temperature: float | None = 0.0,
        max_tokens: int | None = 64,
    ) -> None:
        self._read = read
        self._reminder = reminder
        self._concurrency = check_count("concurrency", concurrency)
        self._max_calls = None if max_calls is None else check_count("max_calls", max_calls)
        self.endpoint = ChatEndpoint(model, base_url, api_key, timeout, max_retries, temperature, max_tokens)
        self._cache = Cache(cache)
        self._budget = threading.Lock()
        self._calls = 0
        self._cached = 0
        self._nonsense = 0
        self._example = ""
        self._first = FirstAnswers()
        self._last = LastAnswers()

    def check(self, question: str) -> None:
        """Ask something whose answer is of no importance.

        Raises:
            JudgeError, InputError: nobody can be asked.
        """
        self._take_call()
        reply = self.endpoint.check(_said(question))
        try:
            self._read(reply)
        except NoScoreError as error:  # a small model may do better on what it will be asked
            _log.warning("the judge %s answers, but so far %s", self.endpoint.model, error)

    def answers(self, questions: Sequence[str]) -> list[float | None]:
        """What has been read for each question; None where the endpoint gave nothing to be read.

        Raises:
            JudgeError: it cannot be asked now, the budget is used up, or hardly anything can be read. What was
                answered before that is kept.
            InputError: as `ChatEndpoint.ask`, and where what it said cannot be kept.
        """
        keys = [self._key(question) for question in questions]
        known = {key: self._kept(key) for key in keys}
        missing = {key: question for key, question in zip(keys, questions, strict=True) if known[key] is None}
        self._cached += len(questions) - len(missing)
        order = list(missing)
        failure: Exception | None = None
        with closing(side_by_side(self._ask, list(missing.values()), self._concurrency)) as found:
            for index, reply in found:
                if isinstance(reply, Exception):
                    failure = failure or reply
                    continue
                known[order[index]] = reply
                problem = self._problem(reply)
                if not problem:
                    self._cache.put(order[index], reply)
                self._stop_where_useless(problem)
        if failure is not None:
            raise failure
        return [self._answer(known[key] or "") for key in keys]

    def report(self) -> dict[str, Any]:
        """What was asked so far: calls of the endpoint, answers that were known already, and those that were none."""
        return {
            "judge": self.endpoint.model,
            "host": self.endpoint.host,
            "calls": self._calls,
            "cached": self._cached,
            "nonsense": self._nonsense,
            "nonsense_example": self._example,
        }

    def close(self) -> None:
        """Let go of connections and file."""
        self.endpoint.close()
        self._cache.close()

    def _key(self, question: str) -> str:
        endpoint = self.endpoint  # with its address: many take any name of a model for the one that they have
        return digest({"url": endpoint.url, "model": endpoint.model, **endpoint.options, "question": question})

    def _kept(self, key: str) -> str | None:
        """A reply that is known and can be read."""
        reply = self._cache.get(key)
        return None if reply is None or self._problem(reply) else reply

    def _ask(self, question: str) -> str:
        """The reply that counts; in a thread of its own."""
        self._take_call()
        messages = _said(question)
        reply = self.endpoint.ask(messages)
        if self._problem(reply):
            self._take_call()
            said = without_thoughts(reply).strip()
            if said:  # an endpoint may refuse an empty message
                messages += [{"role": "assistant", "content": said}, *_said(self._reminder)]
            reply = self.endpoint.ask(messages)
        return reply

    def _take_call(self) -> None:
        with self._budget:
            if self._max_calls is not None and self._calls >= self._max_calls:
                raise JudgeError(
                    f"the budget of {self._max_calls} calls of the judge {self.endpoint.model} is used up: go on with "
                    "--resume, which has as many again, or raise max_calls"
                )
            self._calls += 1

    def _problem(self, reply: str) -> str:
        """Why a reply cannot be read; "" where it can."""
        try:
            self._read(reply)
        except NoScoreError as error:
            return str(error)
        return ""

    def _stop_where_useless(self, problem: str) -> None:
        """Stop where it is clear from the first replies, or the last ones, that nothing is learned from them."""
        counts: list[tuple[str, FirstAnswers | LastAnswers]] = [("first", self._first), ("last", self._last)]
        for which, counted in counts:
            if counted.add(problem):
                raise JudgeError(
                    f"{counted.bad} of the {which} {counted.seen} replies of the judge {self.endpoint.model} are of no "
                    f"use, such as this one: {counted.example}; change model or template"
                )

    def _answer(self, reply: str) -> float | None:
        try:
            return self._read(reply)
        except NoScoreError as error:
            self._nonsense += 1
            self._example = self._example or str(error)
            return None


def _said(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]
