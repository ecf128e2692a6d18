"""What is said of settings and prompts that are not as they were."""

from __future__ import annotations

from backtrack_sampler.cli.rows.differences import differences, repeated_only


def test_what_differs() -> None:
    """Each name with what it was and what it is; a value may be missing on either side."""
    old, new = {"a": 1, "b": [2], "c": "x"}, {"a": 1, "b": [3], "d": True}
    assert differences(old, new) == {
        "b": "b was [2] and is [3] now",
        "c": 'c was "x" and is null now',
        "d": "d was null and is true now",
    }
    assert differences(old, dict(old)) == {}


def test_files_that_were_edited() -> None:
    """Where strategies are the same but for what is in their files, the files are named; otherwise both are shown."""
    old = [{"strategy": "s", "sha256": {"a.py": "1", "b.txt": "2"}}, {"operator": "o"}]
    one = [{"strategy": "s", "sha256": {"a.py": "1", "b.txt": "3"}}, {"operator": "o"}]
    two = [{"strategy": "s", "sha256": {"a.py": "2", "b.txt": "3"}}, {"operator": "o"}]
    other = [{"strategy": "s", "sha256": {"a.py": "2"}}, {"operator": "p"}]
    assert differences({"strategies": old}, {"strategies": one}) == {"strategies": "b.txt was edited since"}
    assert differences({"strategies": old}, {"strategies": two}) == {"strategies": "a.py and b.txt were edited since"}
    assert differences({"strategies": old}, {"strategies": other})["strategies"].startswith("strategies was [{")


def test_long_values_are_cut() -> None:
    """A conversation is not shown whole."""
    (said,) = differences({"messages": ["a" * 9999]}, {"messages": []}).values()
    assert len(said) < 700
    assert "aaa... and is [] now" in said


def test_names_that_had_no_effect() -> None:
    """Options and a system message; null has none now either."""
    found = repeated_only({"prompt": "a", "temperature": 1, "system": "x", "top_k": None, "id": 3})
    assert list(found) == ["temperature", "system"]
