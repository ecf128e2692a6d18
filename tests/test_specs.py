"""Strategies as they are written on a command line."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from backtrack_sampler.errors import InputError
from backtrack_sampler.operators import BaseOperator, NGramOverlap, Repetition
from backtrack_sampler.specs import (
    is_provider_file,
    parameters,
    parse_operator,
    parse_provider,
    parse_spec,
)
from backtrack_sampler.strategy.antislop_strategy import AntiSlopStrategy
from backtrack_sampler.strategy.creative_writing_strategy import CreativeWritingStrategy
from backtrack_sampler.strategy.human_guidance_strategy import HumanGuidanceStrategy
from backtrack_sampler.strategy.replace_strategy import ReplaceStrategy
from backtrack_sampler.testing import FakeProvider

MINE = '''
from backtrack_sampler import BaseStrategy

class Mine(BaseStrategy):
    """Mine."""
    def __init__(self, key=0, two_words=None):
        self.key = key

class Other(BaseStrategy):
    """Takes its model by name only."""
    def __init__(self, *, provider, key=0):
        self.provider = provider
'''


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A strategy file in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(MINE)
    return tmp_path / "my.py"


@pytest.mark.parametrize("text", ["antislop", "antislop:", "antislop:,", "antislop: "])
def test_name_alone(text: str) -> None:
    """A name without parameters, with or without a colon, takes the defaults."""
    assert parse_spec(text)[:2] == (AntiSlopStrategy, {})


@pytest.mark.parametrize("name", ["creative_writing", "creative-writing"])
def test_dashes_and_underscores_are_the_same(name: str) -> None:
    """Names and keys can be written with dashes or underscores."""
    assert parse_spec(f"{name}:eos-penalty=2")[:2] == (CreativeWritingStrategy, {"eos_penalty": 2})
    assert parse_spec(f"{name}:eos_penalty=2")[:2] == (CreativeWritingStrategy, {"eos_penalty": 2})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5), ("0.5", 0.5), ("-1e3", -1000.0), ("Infinity", math.inf), ("true", True), ("null", None),
        ('"5"', "5"), ("word", "word"), ("two words", "two words"), ("", ""), (" x", " x"), ("a=b", "a=b"),
        ("a:b", "a:b"), ("a|b", ["a", "b"]), (" a | b ", ["a", "b"]), ("x| a| b", ["x", " a", " b"]), ("a||b", ["a", "", "b"]), ("1|2", ["1", "2"]),
        ('["a", "b,c"]', ["a", "b,c"]), ("[]", []), ('{"a": 0.5, "b": 1}', {"a": 0.5, "b": 1}),
        ('"a, b"', "a, b"), ('"a|b"', "a|b"), ('"quote \\" and [ and ,"', 'quote " and [ and ,'), ('"C:\\\\"', "C:\\"),
        ('[["a]"], ","]', [["a]"], ","]), ("it's", "it's"), ('5" disk', '5" disk'), ("a]b", "a]b"), ("a(b", "a(b"),
        ("main.py", "main.py"), ("dir/main.py:x", "dir/main.py:x"), ("漢字", "漢字"), ("a\nb", "a\nb"),
    ],
)  # fmt: skip
def test_values(text: str, value: Any) -> None:
    """JSON where it can be, a|b for a list, plain text otherwise; commas only inside JSON."""
    expected = (ReplaceStrategy, {"find": value, "replace": "x", "skip_tokens": 3})
    assert parse_spec(f"replace:find={text},replace=x,skip_tokens=3")[:2] == expected
    assert parse_spec(f"replace:replace=x,skip_tokens=3,find={text}")[:2] == expected


def test_a_file_of_lines(tmp_path: Path) -> None:
    """@FILE is a text a line, without empty lines; stray spaces, Windows line ends and byte-order marks do not count."""
    path = tmp_path / "slops.txt"
    path.write_bytes("\ufeffa tapestry of\r\n\r\n whisper \t\r\n[x]\r\n".encode())
    assert parse_spec(f"antislop:slops=@{path},skip_tokens=1").arguments == {
        "slops": ["a tapestry of", "whisper", "[x]"], "skip_tokens": 1,
    }  # fmt: skip


def test_a_json_file(tmp_path: Path) -> None:
    """@FILE.json is what is in it."""
    path = tmp_path / "slops.json"
    path.write_text("\ufeff" + json.dumps({"a, b": 0.5}), encoding="utf-8")
    assert parse_spec(f"antislop:slops=@{path}").arguments == {"slops": {"a, b": 0.5}}


@pytest.mark.parametrize("path", ["my.py", "./my.py"])
@pytest.mark.parametrize(
    ("rest", "name", "arguments"),
    [
        (":Mine", "Mine", {}), (":Other", "Other", {}), (":Mine:", "Mine", {}), (":Mine:key=1", "Mine", {"key": 1}),
        (":Mine:key=x.py:y", "Mine", {"key": "x.py:y"}), (":Mine:two-words=[1, 2]", "Mine", {"two_words": [1, 2]}),
    ],
)  # fmt: skip
def test_a_class_in_a_file(mine: Path, path: str, rest: str, name: str, arguments: dict[str, Any]) -> None:
    """FILE.py:Class, with parameters after another colon."""
    spec = parse_spec(path + rest)
    assert (spec.cls.__name__, spec.arguments) == (name, arguments)


def test_a_file_with_one_class(mine: Path) -> None:
    """The class can be left out where the file has only one; a key after the colon is no class."""
    mine.write_text(MINE.split("class Other", maxsplit=1)[0])
    assert parse_spec("my.py").cls.__name__ == "Mine"
    for text in ("my.py:key=1,two-words=x", "./my.py:two_words=x,key=1", f"{mine}:two-words=x,key=1"):
        assert parse_spec(text).arguments == {"key": 1, "two_words": "x"}


@pytest.mark.parametrize("path", ["C:\\x\\my.py", "C:/x/my.py", "d:\\my.py"])
def test_windows_paths(mine: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """The colon of a drive letter is part of the path."""
    target = Path(path)  # here just a file of that name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(MINE)
    spec = parse_spec(f"{path}:Mine:key=1")
    assert (spec.cls.__name__, spec.arguments) == ("Mine", {"key": 1})
    assert list(spec.files) == [path]
    assert parse_spec(f"{path}:Other").cls.__name__ == "Other"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "NAME:key=value"), (":key=1", "NAME:key=value"), ("nonsense", "no strategy 'nonsense'"),
        ("antislop:nonsense=1", "has no parameter 'nonsense': it takes slops"), ("debug:x=1", "it takes none"),
        ("replace", "needs find, replace"), ("replace:find=x", "needs replace"), ("antislop:slops", "as key=value"),
        ("antislop:skip_tokens=1,slops", "as key=value"), ("antislop:skip_tokens=1,slops,x=2", "as key=value"),
        ("antislop:provider=1", "no parameter 'provider'"), ("human-guidance:screen=1", "no parameter 'screen'"),
        ("antislop:skip-tokens=1,skip_tokens=2", "given twice"), ("antislop:slops=[the]", "not JSON"),
        ('antislop:slops=["the"', "not JSON"), ('antislop:slops=["the"] x', "goes on after its end"),
        ("antislop:slops=@/nowhere.txt", "cannot read"), ("antislop:slops=@", "cannot read"),
        ("./nowhere.py:Mine", "no file at"), ("my.py:Nobody", "has no strategy Nobody"), ("my.py", "name it"),
    ],
)  # fmt: skip
def test_what_cannot_be_used(mine: Path, text: str, message: str) -> None:
    """Whatever is wrong is said in one line."""
    with pytest.raises(InputError, match=message) as caught:
        parse_spec(text)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    """A broken JSON file, and one that is no text, are named."""
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    for name, message in (("broken.json", "is not JSON"), ("bytes.txt", "cannot read")):
        with pytest.raises(InputError, match=message):
            parse_spec(f"antislop:slops=@{tmp_path / name}")


def test_build_passes_the_model_where_it_is_wanted(mine: Path) -> None:
    """A constructor gets the model if it has a parameter `provider`, wherever that stands."""
    provider = FakeProvider()
    assert parse_spec("my.py:Mine:key=4").build(provider).key == 4
    assert parse_spec("my.py:Other").build(provider).provider is provider
    assert isinstance(parse_spec("antislop:slops=a|b").build(provider), AntiSlopStrategy)


@pytest.mark.parametrize(
    "text",
    ["antislop:slops=5", "replace:find=5,replace=x", "creative-writing:top_p_flat=x", "human-guidance:top_k=0"],
)  # fmt: skip
def test_values_that_a_constructor_refuses(text: str) -> None:
    """Whatever a constructor raises becomes an error in one line."""
    with pytest.raises(InputError):
        parse_spec(text).build(FakeProvider())


def test_parameters_are_those_of_the_command_line() -> None:
    """The model and a screen are nothing to write on a command line."""
    assert list(parameters(HumanGuidanceStrategy)) == ["top_k", "min_autopass", "prompt"]


@pytest.mark.parametrize(
    ("text", "cls", "operator", "around"),
    [
        ("repetition", "Repetition(max_repetitions=3)", Repetition, {}),
        ("n_gram_overlap:ngram-size=3", "NGramOverlap(ngram_size=3, backtrack_count=1)", NGramOverlap, {}),
        ("Repetition:retry=resample,max_repetitions=2", "Repetition(max_repetitions=2)", Repetition, {"retry": "resample"}),
    ],
)  # fmt: skip
def test_operators(text: str, cls: str, operator: type[BaseOperator], around: dict[str, str]) -> None:
    """An operator takes its own parameters and those of the strategy around it."""
    spec = parse_operator(text)
    assert (spec.cls, spec.options) == (operator, around)
    strategy = spec.build()
    assert repr(strategy.operator) == cls
    assert strategy.operator is not spec.build().operator  # a new one for each stream


def test_an_operator_in_a_file(tmp_path: Path) -> None:
    """A file of one's own holds an operator as it holds a strategy."""
    (tmp_path / "mine.py").write_text(
        "from backtrack_sampler.operators import BaseOperator\n\n"
        "class Every(BaseOperator):\n    def __init__(self, n=2):\n        self.n = n\n\n"
        "    def __call__(self, step):\n        return 0\n"
    )
    for name in ("mine.py", "mine.py:Every"):
        assert repr(parse_operator(f"{tmp_path / name}:n=3").build().operator) == "Every(n=3)"
    with pytest.raises(InputError, match="has no operator Nobody"):
        parse_operator(f"{tmp_path / 'mine.py'}:Nobody")


def test_a_function_in_a_file(mine: Path) -> None:
    """So is a plain function; its parameters behind the step are set by name, and OperatorStrategy's among them."""
    mine.write_text("def rare(step, least=0.5, *, word=None):\n    return step.probability < least\n")
    for name in ("my.py", "./my.py:rare", f"{mine}:rare"):
        spec = parse_operator(f"{name}:least=0.25,max_retries=3,word=a|b")
        assert (spec.cls.__name__, spec.options) == ("rare", {"max_retries": 3})
        strategy = spec.build()
        assert str(strategy) == "rare(least=0.25, word=['a', 'b'])"
        assert strategy.operator.lookback is None
    assert str(parse_operator("my.py:rare").build()) == "rare"
    (file,) = parse_operator("my.py:rare").files.values()
    mine.write_text(mine.read_text() + "# changed")
    assert parse_operator("my.py:rare").files["my.py"] != file
    for text, message in (
        ("my.py:rare:most=1", "operator my.py:rare has no parameter 'most': it takes"),
        ("my.py:rare:step=1", "no parameter 'step'"), ("my.py:other", r"has no operator other \(found: rare\)"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            parse_operator(text)
    mine.write_text("def no(step, words):\n    return step.text in words\n")
    with pytest.raises(InputError, match=r"needs words: write my\.py:no:words=\.\.\."):
        parse_operator("my.py:no")
    assert str(parse_operator("my.py:no:words=a|b").build()) == "no(words=['a', 'b'])"


def test_a_provider_in_a_file(mine: Path) -> None:
    """It takes its parameters as a strategy does; which model may be left out, or said apart."""
    mine.write_text(
        "from backtrack_sampler.testing import FakeProvider\n"
        "class Mine(FakeProvider):\n    @classmethod\n    def from_pretrained(cls, model, *, speed=1):\n        return cls()\n"
    )
    assert parse_provider("my.py:Mine:speed=2,model=x")[:2] == ("my.py:Mine", {"speed": 2, "model": "x"})
    name, arguments, files = parse_provider("./my.py")
    assert (name, arguments, list(files)) == ("./my.py", {}, ["./my.py"])
    with pytest.raises(InputError, match=r"provider my\.py has no parameter 'sped': it takes model, speed"):
        parse_provider("my.py:sped=2")
    for text, expected in (
        ("./my.py", True), ("my.py:Mine", True), ("my.py:Mine:speed=2", True), ("my.py:speed=a.py", True), ("x.gguf", False),
        ("org/name", False), ("C:\\x.gguf", False), ("C:\\x.py:Mine", True), ("", False), ("http://h/x.py", False),
    ):  # fmt: skip
        assert is_provider_file(text) == expected, text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "no operator 'nonsense': use one of entropy-threshold"),
        ("repetition:nonsense=1", "operator repetition has no parameter 'nonsense': it takes"),
        ("repetition:max_repetitions=0", "max_repetitions must be a whole number"),
        ("repetition:retry=maybe", "retry must be"),
        ("repetition:operator=1", "no parameter 'operator'"),
        ("", "write the operator as NAME:key=value"),
    ],
)
def test_operators_that_cannot_be_used(text: str, message: str) -> None:
    """Whatever is wrong is said in one line, before a model is loaded."""
    with pytest.raises(InputError, match=message) as caught:
        parse_operator(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["chain", "operator"])
def test_strategies_that_hold_others_are_written_otherwise(name: str) -> None:
    """Chains and operators have a notation of their own."""
    with pytest.raises(InputError, match="repeat --strategy for a chain, and write --operator NAME"):
        parse_spec(name)


def test_one_text_is_a_list_of_one_and_messages_work_when_typed() -> None:
    """`slops=the city` bans that; what the message for a number says can be typed as it stands."""
    provider = FakeProvider(["the", " city", "5", ""], eos=3)
    assert parse_spec("antislop:slops=the city").build(provider).describe() == "looks for 1 phrase"
    with pytest.raises(InputError) as refused:
        parse_spec("antislop:slops=5").build(provider)
    advice = str(refused.value).rpartition("write ")[2]
    assert parse_spec(f"antislop:slops={advice}").build(provider).describe() == "looks for 1 phrase"


def test_a_file_without_its_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of a file that is there is hardly what is to be banned."""
    monkeypatch.chdir(tmp_path)
    Path("slops.txt").write_text("a\nb\n")
    with pytest.raises(InputError, match="write @slops.txt"):
        parse_spec("antislop:slops=slops.txt")
    assert parse_spec("antislop:slops=other.txt").arguments == {"slops": "other.txt"}


def test_pairs_in_a_file(tmp_path: Path) -> None:
    """Lists of pairs, as other tools have them, are named, with what to write instead."""
    path = tmp_path / "pairs.json"
    path.write_text('[["city", 3]]')
    with pytest.raises(InputError, match=r'pairs such as \["city", 3\].*\{"city": 0.9\}'):
        parse_spec(f"antislop:slops=@{path}").build(FakeProvider(["a", ""], eos=1))


def test_true_and_false_as_people_write_them() -> None:
    """Python's and JSON's, yes and no, on and off; anything else is refused."""
    for text, value in (("true", True), ("False", False), ("no", False), ("ON", True), ("0", False), ("1", True)):
        assert parse_spec(f"antislop:whole_words={text}").arguments == {"whole_words": value}
    for text in ("maybe", "flase", "2"):
        with pytest.raises(InputError, match="whole_words must be true or false"):
            parse_spec(f"antislop:whole_words={text}")


def test_spaces_around_a_bar_do_not_count() -> None:
    """Where they are on both sides of it, as in a file of lines; and a comma within a value is advised of."""
    assert parse_spec("antislop:slops=young woman | the city").arguments == {"slops": ["young woman", "the city"]}
    with pytest.raises(InputError, match="double quotes"):
        parse_spec("antislop:regexes=x{3,5}b")
    assert parse_spec('antislop:regexes="x{3,5}b"').arguments == {"regexes": "x{3,5}b"}


@pytest.mark.parametrize(
    ("content", "says"),
    [("", "empty"), (" \n\n", "empty"), ('"a"\n"b c"\n', "in quotes"), ("- a\n- b\n", "begins with")],
)
def test_lists_that_would_find_nothing(tmp_path: Path, content: str, says: str) -> None:
    """A file without lines, in quotes or with bullets is refused, with what is wrong."""
    path = tmp_path / "list.txt"
    path.write_text(content)
    with pytest.raises(InputError, match=says):
        parse_spec(f"antislop:slops=@{path}")
