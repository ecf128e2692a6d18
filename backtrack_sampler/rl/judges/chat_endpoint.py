"""A model behind an OpenAI-compatible endpoint: a question in, a reply out, and errors that say what to do.

The key is given to the client and to nobody else: it stands in no message, log, file or `repr`, and no error that is
raised here leads to the client's own, which hold the request.
"""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import urlsplit

from ...checks import check_count, check_number
from ...errors import BacktrackError, InputError, MissingPackageError
from .base_judge import JudgeError
from .score_reading import shortened

try:
    import openai
except ImportError as error:
    raise MissingPackageError('openai is not installed: pip install "backtrack_sampler[rl]"') from error

__all__ = ["ChatEndpoint"]

_OPENAI = "https://api.openai.com/v1"
_KEY = "OPENAI_API_KEY"
_NONE = "none"  # the client wants something
_LEAST = 8  # characters of a key: what is shorter is a stand-in, and may be part of any word
_BEGIN = "see that it runs, and check base_url"
_RESUME = "go on with --resume when it is well again"
_PATIENCE = 120.0  # seconds that a lost connection is waited for
_PAUSE = 8.0  # seconds between one time with all retries and the next


class ChatEndpoint:
    """Asks one model. Threads may share it.

    Args:
        model: its name there.
        base_url: of the endpoint, such as http://127.0.0.1:8000/v1; None: OPENAI_BASE_URL, or else OpenAI's.
        api_key: None: OPENAI_API_KEY; a local endpoint needs none.
        timeout: seconds to wait for a reply, each time.
        max_retries: times that a request is repeated after 408, 409, 429, 5xx, a time-out or a lost connection: after
            half a second, then twice as long each time, up to 8 s; or as long as the endpoint says, up to two minutes
            (one that says more is not asked again). A server that cannot be reached is tried for about two minutes,
            so that it can be started again; with 0 nothing is repeated.
        temperature, max_tokens: of replies; None: not sent, for models that do not take it.

    Raises:
        InputError: a value that cannot be used; there is no key.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None,
        api_key: str | None,
        timeout: float,
        max_retries: int,
        temperature: float | None,
        max_tokens: int | None,
    ) -> None:
        if not isinstance(model, str) or not model.strip():
            raise InputError("the judge needs a model: name it as its endpoint does")
        self.model = model
        self.timeout = check_number("timeout", timeout, 0.001)
        self.max_retries = check_count("max_retries", max_retries, 0)
        self.options: dict[str, Any] = {}
        if temperature is not None:
            self.options["temperature"] = check_number("temperature", temperature, 0)
        if max_tokens is not None:
            self.options["max_tokens"] = check_count("max_tokens", max_tokens)
        url = base_url or os.environ.get("OPENAI_BASE_URL") or _OPENAI
        self.host, self.url, local = _place(url)
        key = _key(api_key, self.host, local)
        self._hidden = _hiding(key)
        self._client = openai.OpenAI(api_key=key, base_url=url, timeout=self.timeout, max_retries=self.max_retries)

    def __repr__(self) -> str:
        return f"ChatEndpoint({self.model!r}, {self.host!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an endpoint cannot be pickled: it has a key and open connections")

    def ask(self, messages: Sequence[Mapping[str, str]]) -> str:
        """The reply to a conversation; "" where the endpoint's filter has refused it.

        Raises:
            JudgeError: it cannot be asked now, not after all retries either.
            InputError: key, model or parameters are not taken.
        """
        return self._ask(messages, self._client, _RESUME, _PATIENCE if self.max_retries else 0)

    def check(self, messages: Sequence[Mapping[str, str]]) -> str:
        """The same before anything else is done: with one retry at most, for nobody has waited for it yet.

        Raises:
            JudgeError, InputError: as `ask`.
        """
        client = self._client.with_options(max_retries=min(1, self.max_retries))
        return self._ask(messages, client, _BEGIN, 0)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _ask(self, messages: Sequence[Mapping[str, str]], client: openai.OpenAI, advice: str, patience: float) -> str:
        sent: Any = [{name: _whole(value) for name, value in each.items()} for each in messages]
        end = time.monotonic() + patience
        tries = 0
        while True:
            try:
                completion: Any = client.chat.completions.create(model=self.model, messages=sent, **self.options)
                choices = completion.choices
                return self._hidden((choices[0].message.content if choices else None) or "")
            except Exception as error:
                tries += _tries(error)
                problem = self._problem(error, tries, advice)
                if not _is_lost(error) or time.monotonic() >= end:
                    break
            time.sleep(_PAUSE)
        if problem is None:
            return ""
        raise problem  # here, where nothing leads to the client's error

    def _problem(self, error: Exception, tries: int, advice: str) -> BacktrackError | None:
        """What to raise; None where the endpoint's filter has refused to read a text."""
        who = f"the judge {self.model} at {self.host}"
        often = f", {tries} times over" if tries > 1 else ""
        if isinstance(error, openai.APITimeoutError):
            return JudgeError(f"{who} has not answered within {self.timeout:g} s{often}: {advice}")
        if isinstance(error, openai.APIConnectionError):
            return JudgeError(f"{who} cannot be reached{often} ({self._said(error.__cause__ or error)}): {advice}")
        if not isinstance(error, openai.APIStatusError):
            return InputError(
                f"what answers at {self.host} is no OpenAI-compatible endpoint ({self._said(error)}): check base_url, "
                "which mostly ends in /v1"
            )
        status, said = error.status_code, f"HTTP {error.status_code}: {self._said(error)}"
        if status == 400 and error.code == "content_filter":
            return None
        if status in (401, 403):
            return InputError(f"{who} does not take the key ({said}): set api_key, or {_KEY}")
        if status == 404:
            return InputError(f"{who} is not there ({said}): check model, and base_url, which mostly ends in /v1")
        if status in (402, 408, 409, 429) or status >= 500:
            return JudgeError(f"{who} is not well{often} ({said}): {advice}")
        return InputError(
            f"{who} does not take the request ({said}): check model and base_url; temperature and max_tokens can be "
            "null"
        )

    def _said(self, error: BaseException) -> str:
        """An error's own words, on one short line."""
        body = getattr(error, "body", None)
        words = body.get("message") if isinstance(body, Mapping) else None
        return shortened(self._hidden(str(words or error) or type(error).__name__), 160)


def _tries(error: Exception) -> int:
    """How often a request was sent, by what the client writes into each."""
    headers = error.request.headers if isinstance(error, openai.APIError) else {}
    return 1 + int(headers.get("x-stainless-retry-count", 0))


def _is_lost(error: Exception) -> bool:
    """Whether there was no connection, or none any more. A time-out is something else: it has been waited for."""
    return isinstance(error, openai.APIConnectionError) and not isinstance(error, openai.APITimeoutError)


def _whole(text: str) -> str:
    """A text that can be sent: half a character cannot."""
    return text.encode(errors="replace").decode()


def _place(url: str) -> tuple[str, str, bool]:
    """Host and address of an endpoint, in a form that may be shown; and whether it is here, or in a private network."""
    try:
        parts = urlsplit(url)
        name, port = parts.hostname or "", parts.port
    except ValueError:
        name = ""
    if not name or parts.scheme not in ("http", "https"):
        raise InputError("base_url must be an address like http://127.0.0.1:8000/v1")
    if parts.username or parts.password or parts.query:
        raise InputError("base_url must have no user, password or query in it: the key is api_key")
    try:
        local = ipaddress.ip_address(name).is_private
    except ValueError:
        local = "." not in name or name.endswith((".localhost", ".local"))
    host = f"{name}:{port}" if port else name
    return host, f"{parts.scheme}://{host}{parts.path.rstrip('/')}", local


def _key(given: str | None, host: str, local: bool) -> str:
    """The key to send."""
    key = (given if given is not None else os.environ.get(_KEY, "")).strip()
    if not key:
        if not local:
            raise InputError(f"no key for the judge at {host}: set {_KEY} in the environment, or api_key")
        return _NONE
    if not key.isascii() or not key.isprintable() or " " in key:
        raise InputError("api_key is no key: it has spaces or characters in it that no key has")
    return key


def _hiding(key: str) -> Callable[[str], str]:
    """Takes a key out of a text, should somebody have repeated it. A function: no attribute has the key."""
    return lambda text: text.replace(key, "***") if len(key) >= _LEAST else text
