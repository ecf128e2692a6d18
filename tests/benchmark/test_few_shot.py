"""Examples before a question: as text, and as turns."""

from __future__ import annotations

from backtrack_sampler.benchmark.tasks.few_shot import Solved, Wording, conversation, plain_text

EXAMPLES = [Solved("1 + 1", "2"), Solved("2 + 3", "5")]


def test_plain_text() -> None:
    """It ends where the answer begins; all before the question is the same for every question."""
    assert plain_text("Add.", Wording("{}"), EXAMPLES, "4 + 4") == "Add.\nQ: 1 + 1\nA: 2\nQ: 2 + 3\nA: 5\nQ: 4 + 4\nA:"
    assert plain_text("Add.", Wording("{}", "", " ="), EXAMPLES[:1], "4 + 4") == "Add.\n1 + 1 = 2\n4 + 4 ="
    assert plain_text("Add.", Wording("{}", "", " ="), [], "4 + 4") == "Add.\n4 + 4 ="


def test_conversation() -> None:
    """Each example is a question and the assistant's answer; the last question waits for one."""
    said = [(message["role"], message["content"]) for message in conversation("Add.", EXAMPLES, "4 + 4")]
    assert said == [
        ("user", "Add.\n\n1 + 1"), ("assistant", "2"), ("user", "2 + 3"), ("assistant", "5"), ("user", "4 + 4"),
    ]  # fmt: skip
    assert conversation("Add.", [], "4 + 4") == [{"role": "user", "content": "Add.\n\n4 + 4"}]
