"""A YAML file as data, and the line on which each thing in it stands; and data as such a file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ...errors import InputError, MissingPackageError

try:
    import yaml
except ImportError as error:
    raise MissingPackageError('PyYAML is not installed: pip install "backtrack_sampler[benchmark]"') from error

__all__ = ["Place", "YamlFile", "dump_yaml", "read_yaml"]

#: Keys and indices that lead to a thing: ("strategies", 0, "name").
Place: TypeAlias = tuple[str | int, ...]

_MOST_NODES = 100_000  # aliases of aliases of aliases make a huge file of a small one


@dataclass(frozen=True)
class YamlFile:
    """What a file says.

    Attributes:
        name: of the file, for messages.
        data: what is in it.
        lines: place -> its line, from 1: of a value in a mapping, the line of its key.
        repeated: places of keys that stand twice in one mapping. `data` has the last of each.
    """

    name: str
    data: Any
    lines: dict[Place, int] = field(default_factory=dict)
    repeated: list[tuple[Place, int]] = field(default_factory=list)

    def line(self, place: Place) -> int | None:
        """The line of a place; of one that is not there, the line of what it would be in."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place)


def read_yaml(path: str | os.PathLike[str], least: str = "at least evaluation: {tasks: [...]}") -> YamlFile:
    """Read a file with one document.

    Args:
        least: what to write into a file in which nothing stands.

    Raises:
        InputError: it cannot be read, or is no YAML; one line, with the line number.
    """
    name = os.fspath(path)
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read {name}: it is not valid text, save it as UTF-8 ({error})") from error
    try:
        return _read(name, text, least)
    except yaml.YAMLError as error:
        raise InputError(_broken(name, text, error)) from error
    except InputError:
        raise
    except ValueError as error:  # a date such as 2026-13-01
        raise InputError(f"{name} has a value that YAML cannot read ({error}): put it in quotes") from error
    except RecursionError as error:
        raise InputError(f"{name} goes too deep: a configuration has three or four levels") from error


def _read(name: str, text: str, least: str) -> YamlFile:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise InputError(f"{name} is empty: write {least}")
        lines: dict[Place, int] = {}
        repeated: dict[Place, int] = {}
        for place, line in _walk(node, (), ()):
            if line < 0:
                raise InputError(f"{name}, line {-line}: an alias stands for something that it is itself a part of")
            inside = any(place[:length] in repeated for length in range(len(place)))
            if place in lines and not inside:  # what is in a section that is there twice is twice there as well
                repeated[place] = line
            lines[place] = line
            if len(lines) > _MOST_NODES:
                raise InputError(f"{name} is too large for a configuration: more than {_MOST_NODES:,} values")
        return YamlFile(name, loader.construct_document(node), lines, list(repeated.items()))
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    """Reads numbers as YAML 1.2 does, in decimal: by YAML 1.1, 010 would be 8, 1:30 would be 90, and 1e-3, which has
    no dot, would be text."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":int", ":float"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class _Dumper(yaml.SafeDumper):
    """Puts into quotes what either of both would read as a number."""


_NUMBERS = (
    ("int", r"[-+]?(0|[1-9][0-9]*)$", "-+0123456789"),
    ("float", r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("float", r"[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$", "-+."),
)
for _tag, _pattern, _first in _NUMBERS:
    for _cls in (_Loader, _Dumper):
        _cls.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


def dump_yaml(data: Any) -> str:
    """Data as a file of which `read_yaml` makes the same data."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _walk(node: yaml.Node, place: Place, above: tuple[yaml.Node, ...]) -> Iterator[tuple[Place, int]]:
    """Each place and its line, a repeated key as often as it stands there; minus the line where it goes in circles."""
    line = node.start_mark.line + 1
    if any(node is each for each in above):
        yield place, -line
        return
    if not place:
        yield place, line
    if isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*place, index), value.start_mark.line + 1
            yield from _walk(value, (*place, index), (*above, node))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and not key.tag.endswith(":merge"):
                yield (*place, key.value), key.start_mark.line + 1
                yield from _walk(value, (*place, key.value), (*above, node))


#: What PyYAML says -> what to do about it.
_ADVICE = (
    (r"'\\t'", "there is a tab: indent with spaces"),
    (
        r"mapping values are not allowed",
        "there is a colon where none can be: write key: value, indent the keys of a section alike, and put text with "
        "a colon in quotes",
    ),
    (r"could not find expected ':'", "a key has no colon: write key: value"),
    (r"expected <block end>, but found '?-", "a list and keys are mixed: indent the keys of a section alike"),
    (r"expected <block end>", "the indentation does not fit the lines above it"),
    (r"expected ',' or '[\]}]'", "a list or a mapping is not closed: look for a missing ] or }, or a comma"),
    (r"unexpected end of stream", "a text in quotes is not closed"),
    (r"but found another document", "a second document begins with ---: write one configuration a file"),
    (r"undefined alias", "an alias, *name, stands for nothing: put text that begins with * in quotes"),
    (r"could not determine a constructor", "a tag, !name, means nothing here: put text that begins with ! in quotes"),
    (r"unhashable key", "a key is a list or a mapping: put text that begins with [ or { in quotes"),
    (r"cannot start any token", "a text begins with @, ` or %: put it in quotes"),
    (r"special characters are not allowed", "there is a character that no text has: remove it"),
)


def _broken(name: str, text: str, error: yaml.YAMLError) -> str:
    """One line about a file that is no YAML."""
    said = " ".join(str(error).split())
    problem = next((advice for pattern, advice in _ADVICE if re.search(pattern, said)), "")
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark is not None else text.count("\n", 0, getattr(error, "position", 0)) + 1
    return f"{name}, line {line}: {problem or getattr(error, 'problem', None) or said}"
