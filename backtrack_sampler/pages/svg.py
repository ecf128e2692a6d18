"""A figure as a piece of a page: in the page's own colours, light and dark, with text that is text."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "SETTINGS", "inline"]

#: What figures are drawn in -> the variable of page.css that stands for it there. So a figure that is saved
#: as a file has the colours of the light page.
COLOURS = {
    "#1f2226": "--ink", "#666c75": "--soft", "#e3e3de": "--line", "#fdfdfb": "--paper", "#a8352b": "--erased",
    "#2f7d4f": "--gain", "#2b5f94": "--s1", "#b3631a": "--s2", "#7a4fa0": "--s3", "#3d7f86": "--s4", "#a34a78": "--s5",
}  # fmt: skip

#: How Matplotlib is to draw what comes here.
SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "report", "text.parse_math": False, "font.family": "sans-serif",
    "font.size": 9.0, "text.color": "#1f2226", "axes.labelcolor": "#666c75", "axes.edgecolor": "#666c75",
    "axes.titlesize": 10.0, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.linewidth": 0.6,
    "axes.spines.top": False, "axes.spines.right": False, "xtick.color": "#666c75", "ytick.color": "#666c75",
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "grid.color": "#e3e3de", "grid.linewidth": 0.6,
    "axes.grid": True, "axes.axisbelow": True, "axes.unicode_minus": False, "axes.facecolor": "none",
    "figure.facecolor": "none",
}  # fmt: skip

_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_NEEDED = (
    "fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-dashoffset", "stroke-linejoin", "stroke-linecap",
    "opacity", "fill-opacity", "stroke-opacity", "font-size", "font-weight", "text-anchor",
)  # fmt: skip
_NUMBER = re.compile(r"-?\d+\.\d+")


def inline(figure: Figure, name: str, alt: str, hints: Mapping[str, str] | None = None) -> str:
    """The figure as SVG to be put in a page that allows neither styles in attributes nor anything from outside.

    Args:
        figure: drawn under `SETTINGS`.
        name: unique on the page; what is named in the figure begins with it.
        alt: what is to be seen, for those who do not see it.
        hints: gid of a part -> what is said when one points at it.
    """
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    root = ElementTree.fromstring(file.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}metadata", f"{_SVG}style"):
                parent.remove(child)
    used = {each.attrib[_LINK][1:] for each in root.iter() if _LINK in each.attrib}
    for each in root.iter():
        _themed(each)
        own = each.attrib.pop("id", "")
        if own in used or each.tag == f"{_SVG}clipPath":
            each.set("id", f"{name}-{own}")
        if _LINK in each.attrib:
            each.set("href", f"#{name}-{each.attrib.pop(_LINK)[1:]}")
        if "clip-path" in each.attrib:
            each.set("clip-path", each.attrib["clip-path"].replace("url(#", f"url(#{name}-"))
        if hints and own in hints:
            hint = ElementTree.Element(f"{_SVG}title")
            hint.text = hints[own]
            each.insert(0, hint)
        _shortened(each)
    width, height = (float(root.attrib[side].removesuffix("pt")) * 4 / 3 for side in ("width", "height"))
    root.attrib = {
        "class": "plot", "role": "img", "aria-label": alt, "viewBox": root.attrib["viewBox"],
        "width": f"{width:.0f}", "height": f"{height:.0f}",
    }  # fmt: skip
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _themed(element: Any) -> None:
    """Styles as attributes: the page's policy lets no others through. Variables work there as well."""
    for declaration in element.attrib.pop("style", "").split(";"):
        what, _, value = (each.strip() for each in declaration.partition(":"))
        if what in _NEEDED:
            element.set(what, f"var({COLOURS[value]})" if value in COLOURS else value)


def _shortened(element: Any) -> None:
    """Hundredths of a point are enough, and nothing stands between the elements."""
    for attribute in ("d", "x", "y", "transform"):
        if attribute in element.attrib:
            rounded = _NUMBER.sub(
                lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), element.attrib[attribute]
            )
            element.set(attribute, " ".join(rounded.split()))
    element.tag = element.tag.removeprefix(_SVG)
    element.tail = None
    if element.text is not None and not element.text.strip():
        element.text = None
