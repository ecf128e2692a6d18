"""A page in one file that needs nothing else: no network, no model, no Python."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib import resources
from typing import Any

__all__ = ["document"]


def document(package: str, title: str, data: Any, **parts: str) -> str:
    """Put a page together from a package's page.html, page.css and page.js.

    Args:
        package: where these three files are.
        title: any text.
        data: JSON that the script finds in the element `data`: text from models belongs there, and becomes
            text nodes only.
        **parts: HTML to put in the place of {{name}} in page.html; what it says is theirs to escape.
    """
    style = _file(__package__, "base.css") + _file(package, "page.css")
    script = _file(package, "page.js")
    whole = _file(__package__, "frame.html").replace("{{body}}", _file(package, "page.html").rstrip("\n"))
    filled = {
        **parts,
        # Nothing but these two may run or apply, and nothing may be loaded, whatever the texts are.
        "policy": f"default-src 'none'; img-src data:; script-src {_hash(script)}; style-src {_hash(style)}",
        "title": html.escape(title),
        "style": style,
        "data": _embedded(data),
        "script": script,
    }
    # One pass, so that no part can hold the name of another.
    whole = re.sub(r"\{\{(\w+)\}\}", lambda match: filled[match[1]], whole)
    return whole.encode(errors="replace").decode()  # half a surrogate pair in the title or a part


def _file(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _embedded(data: Any) -> str:
    """JSON that HTML cannot mistake for markup, in ASCII."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
