"""Whether a model hub can be reached, found out in seconds. Standard library and huggingface_hub.

Without a network huggingface_hub and transformers ask again and again, each time as long as they may, for
each file: minutes. So the hub is asked once, shortly, before they are; where it does not answer, what is in
the local cache is used.
"""

from __future__ import annotations

import importlib
import ssl
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from ..errors import MissingPackageError, ModelError

__all__ = ["answers", "cached", "cannot_reach"]

_PATIENCE = 4.0  # seconds; the longest of a healthy but slow network


def answers() -> bool:
    """Whether the hub (`HF_ENDPOINT`) says anything at all; False as well where `HF_HUB_OFFLINE` is set."""
    constants = _hub().constants
    if constants.HF_HUB_OFFLINE:
        return False
    if "all" in urllib.request.getproxies():
        return True  # a way that urllib does not know
    said: list[bool] = []
    # Looking a name up has no time limit of its own.
    thread = threading.Thread(target=_ask, args=(constants.ENDPOINT, said), daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    return bool(said)


def cached(name: str, cache_dir: Any = None, revision: str | None = None) -> Path | None:
    """The folder where a repository was put when it was last downloaded; None: it never was."""
    hub = _hub()
    try:
        return Path(hub.snapshot_download(name, cache_dir=cache_dir, revision=revision, local_files_only=True))
    except (OSError, ValueError):  # what the hub's own errors are
        return None


def cannot_reach(name: str) -> ModelError:
    """What to say where a model is not here, and cannot be had."""
    constants = _hub().constants
    if constants.HF_HUB_OFFLINE:
        why = "HF_HUB_OFFLINE is set: unset it"
    else:
        why = f"cannot reach the hub at {constants.ENDPOINT}: check the network"
    return ModelError(f"{name} is not on this computer, and {why}, or give a folder or a .gguf file")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """To be sent elsewhere is an answer."""


def _ask(url: str, said: list[bool]) -> None:
    try:
        request = urllib.request.Request(url, method="HEAD")
        urllib.request.build_opener(_NoRedirect).open(request, timeout=_PATIENCE).close()
    except urllib.error.HTTPError:
        pass  # it answers
    except urllib.error.URLError as error:
        if not isinstance(error.reason, ssl.SSLError):
            return  # where the certificate is the matter, huggingface_hub may know more of it
    except Exception:  # whatever else a network can do: it has not answered, and a thread has nobody to tell
        return
    said.append(True)


def _hub() -> Any:
    try:
        hub = importlib.import_module("huggingface_hub")
        importlib.import_module("huggingface_hub.constants")
    except ImportError as error:
        raise MissingPackageError(
            "a model from a hub needs a package that is not installed: pip install huggingface_hub"
        ) from error
    return hub
