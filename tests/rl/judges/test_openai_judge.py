"""A model as the judge, against a real HTTP server that does well, badly, or nothing."""

from __future__ import annotations

import json
import logging
import pickle
import re
import socket
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import pytest
from judge_server import JudgeServer, Reply, asked_about, numbered, served, texts

from backtrack_sampler import InputError
from backtrack_sampler.rl.judges import chat_endpoint
from backtrack_sampler.rl.judges.base_judge import JudgeError
from backtrack_sampler.rl.judges.openai_judge import OpenAIJudge

KEY = "sk-planted-0123456789abcdef"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing comes from the machine's own settings."""
    for name in (
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "OPENAI_LOG",
        "http_proxy",
        "HTTP_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)


def judge_at(server: JudgeServer, **options: Any) -> OpenAIJudge:
    return OpenAIJudge("judge-1", **{"base_url": server.url, "max_retries": 1, "timeout": 20, **options})


def nowhere() -> str:
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


def in_turn(*replies: Reply | str) -> Any:
    """Answers each request with the next reply, and goes on with the last."""
    rest = list(replies)
    lock = threading.Lock()

    def answer(_: Any) -> Reply | str:
        with lock:
            return rest.pop(0) if len(rest) > 1 else rest[0]

    return answer


# -- what is asked, and what comes back ------------------------------------------------------


def test_each_text_gets_the_score_it_is_given() -> None:
    """In the order of the texts, each asked with its prompt, and from 0 to 1."""
    with served(lambda asked: f"Score: {asked_about(asked).split()[1]}/10") as server:
        judge = judge_at(server)
        assert judge.scores(texts(" text 1", " text 10", " text 5.5")) == [0, 1, 0.5]
        assert judge.scores([]) == []
        judge.close()
    request = server.requests[0]
    assert request["path"] == "/v1/chat/completions"
    assert (request["model"], request["temperature"], request["max_tokens"]) == ("judge-1", 0, 64)
    assert [each["role"] for each in request["messages"]] == ["user"]
    assert "<prompt>\nThe sky is\n</prompt>" in request["messages"][0]["content"]
    assert sorted(map(asked_about, server.requests)) == [" text 1", " text 10", " text 5.5"]
    assert judge.report() == {
        "judge": "judge-1", "host": server.url[7:-3], "calls": 3, "cached": 0, "nonsense": 0, "nonsense_example": "",
    }  # fmt: skip


def test_a_template_of_ones_own() -> None:
    """It is sent with prompt and text filled in; braces in them and around stay. What is not to be sent is not."""
    with served() as server:
        judge = judge_at(server, template='{text} after {prompt}: {"score": 1-10}', temperature=None, max_tokens=None)
        judge.scores(texts(" {prompt}"))
        with pytest.raises(InputError, match=r"no \{text\}"):
            judge_at(server, template="{prompt}")
    assert server.requests[0]["messages"][0]["content"] == ' {prompt} after The sky is: {"score": 1-10}'
    assert not {"temperature", "max_tokens"} & set(server.requests[0])


def test_texts_are_judged_side_by_side() -> None:
    """As many at once as `concurrency` says, and no more."""
    for concurrency in (1, 4):
        meet = threading.Barrier(concurrency)

        def answer(_: Any, meet: threading.Barrier = meet) -> str:
            meet.wait(20)
            return "8"

        with served(answer) as server:
            judge_at(server, concurrency=concurrency).scores(numbered(8))
        assert server.most == concurrency


def test_half_characters_are_sent_as_question_marks() -> None:
    """What is no valid text is no reason to stop."""
    with served() as server:
        assert judge_at(server).scores(texts("half \ud800")) == [pytest.approx(7 / 9)]
    assert asked_about(server.requests[0]) == "half ?"


# -- what is known is not paid for again -----------------------------------------------------


def test_equal_texts_are_asked_about_once(tmp_path: Path) -> None:
    """Within a call, later, and by another judge with the same file; not where anything of the question differs."""
    path = tmp_path / "replies.sqlite"
    with served(in_turn("2", "3", "4", "5", "6")) as server:
        judge = judge_at(server, cache=path)
        first = judge.scores(texts("x", "x"))
        assert first[0] == first[1]
        assert judge.scores(texts("x")) == first[:1]
        judge.close()
        assert len(server.requests) == 1
        again = judge_at(server, cache=path, timeout=5, concurrency=1, max_calls=1)
        assert again.scores(texts("x", "x")) == first
        assert (again.report()["calls"], again.report()["cached"]) == (0, 2)
        for options in ({"temperature": 1}, {"max_tokens": 5}, {"template": "{prompt} {text}"}):
            assert judge_at(server, cache=path, **options).scores(texts("x")) != first[:1]
        assert OpenAIJudge("judge-2", server.url, cache=path).scores(texts("x")) != first[:1]
        assert len(server.requests) == 5


def test_another_endpoint_is_another_judge(tmp_path: Path) -> None:
    """Many take any name of a model: what one says at one port or path is nothing that another has said."""
    path = tmp_path / "replies.sqlite"
    with served("2") as server, served("9") as elsewhere:
        one, other = judge_at(server, cache=path), judge_at(elsewhere, cache=path)
        assert [one.scores(texts("x")), other.scores(texts("x"))] == [[pytest.approx(1 / 9)], [pytest.approx(8 / 9)]]
        assert [one.scores(texts("x")), other.scores(texts("x"))] == [[pytest.approx(1 / 9)], [pytest.approx(8 / 9)]]
        judge_at(server, base_url=server.url.replace("/v1", "/other/v1"), cache=path).scores(texts("x"))
        assert len(server.requests) == 2
        judge_at(server, base_url=server.url + "/", cache=path).scores(texts("x"))
        assert (len(server.requests), len(elsewhere.requests)) == (2, 1)


KILLED = """
import sys
from judge_server import numbered
from backtrack_sampler.rl.judges.openai_judge import OpenAIJudge
judge = OpenAIJudge("judge-1", sys.argv[1], cache=sys.argv[2], concurrency=1)
for each in numbered(100):
    judge.scores([each])
    print(flush=True)
"""


def test_what_was_paid_for_survives_kill_9(tmp_path: Path) -> None:
    """Another process goes on where one was killed: no text is asked about twice."""
    path = tmp_path / "replies.sqlite"
    with served() as server:
        command = [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{KILLED}", server.url, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(10):
                process.stdout.readline()
            process.kill()
        judge = judge_at(server, cache=path)
        assert judge.scores(numbered(100)) == [pytest.approx(7 / 9)] * 100
    assert 10 <= judge.report()["cached"] < 100
    # The one that was under way when it was killed may have been answered to nobody.
    assert len(server.requests) - len(set(map(asked_about, server.requests))) <= 1


def test_a_budget_of_calls(tmp_path: Path) -> None:
    """What is within it is answered and kept; then one line says what to do. What is known costs nothing."""
    path = tmp_path / "replies.sqlite"
    with served() as server:
        judge = judge_at(server, cache=path, max_calls=5)
        judge.check()
        with pytest.raises(
            JudgeError, match=r"^the budget of 5 calls of the judge judge-1 is used up: .*--resume.*max_calls$"
        ):
            judge.scores(numbered(10))
        assert len(server.requests) == judge.report()["calls"] == 5
        with pytest.raises(JudgeError, match="budget"):
            judge.scores(texts("another"))
        resumed = judge_at(server, cache=path, max_calls=6)
        assert len(resumed.scores(numbered(10))) == 10
        assert (resumed.report()["cached"], len(server.requests)) == (4, 11)
        assert len(resumed.scores(numbered(10))) == 10


# -- a server that is not well ---------------------------------------------------------------


def test_a_refusal_for_now_is_tried_again() -> None:
    """429, 500, 503, and a connection that is lost: a moment later all is well."""
    for failure in (Reply(status=429), Reply(status=500), Reply(status=503), Reply(hang_up=True)):
        with served(in_turn(failure, "8")) as server:
            judge = judge_at(server)
            assert judge.scores(texts("x")) == [pytest.approx(7 / 9)]
            assert len(server.requests) == 2
            assert judge.report()["calls"] == 1


@pytest.mark.parametrize("status", [402, 408, 409, 429, 500, 503])
def test_a_refusal_that_goes_on_is_an_error_that_says_what_to_do(status: int) -> None:
    """All retries are made; then one line has the status, the server's words, and the host."""
    refused = Reply(status=status, error={"message": "over\nloaded"})
    with served(refused) as server, pytest.raises(JudgeError) as caught:
        judge_at(server, max_retries=2).scores(texts("x"))
    tries = 1 if status == 402 else 3
    assert len(server.requests) == tries
    often = ", 3 times over" if tries == 3 else ""
    assert str(caught.value) == (
        f"the judge judge-1 at {server.url[7:-3]} is not well{often} (HTTP {status}: over loaded): go on with --resume when it is well again"
    )


def test_slowness_is_an_error_too() -> None:
    """After the time-out, each time."""
    with served(Reply(delay=3)) as server:
        started = time.monotonic()
        with pytest.raises(
            JudgeError, match=r"^the judge judge-1 at .* has not answered within 0.2 s: go on with --resume .*"
        ):
            judge_at(server, timeout=0.2, max_retries=0).scores(texts("x"))
        assert time.monotonic() - started < 3


def test_nobody_there_is_told_at_once() -> None:
    """`check` finds out, with what to do; and so does a judge that is asked."""
    url = nowhere()
    judge = OpenAIJudge("judge-1", url, max_retries=0)
    with pytest.raises(
        JudgeError,
        match=rf"^the judge judge-1 at {url[7:-3]} cannot be reached \(.*refused.*\): see that it runs, and check base_url$",
    ):
        judge.check()
    with pytest.raises(JudgeError, match=r"cannot be reached .*: go on with --resume"):
        judge.scores(texts("x"))


def test_a_lost_connection_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is started again within two minutes ends no run, also where few retries are asked for."""
    monkeypatch.setattr(chat_endpoint, "_PAUSE", 0.1)
    url = nowhere()
    started: list[JudgeServer] = []
    timer = threading.Timer(2, lambda: started.append(JudgeServer(lambda _: "8", int(url[:-3].rpartition(":")[2]))))
    timer.start()
    try:
        assert OpenAIJudge("judge-1", url, max_retries=1).scores(texts("x")) == [pytest.approx(7 / 9)]
    finally:
        timer.join()
        started[0].close()


def test_a_connection_that_stays_lost_is_an_error_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """With how often it was tried. `check` does not wait."""
    monkeypatch.setattr(chat_endpoint, "_PAUSE", 0.1)
    judge = OpenAIJudge("judge-1", nowhere(), max_retries=1)
    began = time.monotonic()
    with pytest.raises(JudgeError, match="cannot be reached, 2 times over"):
        judge.check()
    assert time.monotonic() - began < 5
    monkeypatch.setattr(chat_endpoint, "_PATIENCE", 1.0)
    with pytest.raises(
        JudgeError, match=r"cannot be reached, ([4-9]|1\d) times over \(.*refused.*\): go on with --resume"
    ):
        judge.scores(texts("x"))


def test_check_repeats_a_request_once_at_most() -> None:
    """Nobody wants to wait before anything has begun, however patient the judge will be."""
    with served(Reply(status=500)) as server, pytest.raises(JudgeError, match="2 times over"):
        judge_at(server, max_retries=50).check()
    assert len(server.requests) == 2


def test_a_server_that_goes_down_in_the_middle(tmp_path: Path) -> None:
    """What was answered until then is kept, and another judge goes on with the rest."""
    path = tmp_path / "replies.sqlite"
    well = True

    def answer(asked: dict[str, Any]) -> Reply | str:
        return "8" if well and int(asked_about(asked).split()[1]) < 6 else Reply(status=503)

    with served(answer) as server:
        judge = judge_at(server, cache=path, max_retries=0, concurrency=2)
        judge.scores(numbered(4))
        with pytest.raises(JudgeError, match="HTTP 503"):
            judge.scores(numbered(50))
        assert len(server.requests) < 10  # nothing new is begun after the first failure
        well = False
        assert len(judge.scores(numbered(6))) == 6
        server.answer = lambda _: "8"
        resumed = judge_at(server, cache=path)
        assert len(resumed.scores(numbered(50))) == 50
        assert resumed.report()["cached"] == 6


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(status=401, error={"message": "bad key"}), r"does not take the key \(HTTP 401: bad key\): set api_key, or OPENAI_API_KEY"),
        (Reply(status=403, error={"message": "no"}), r"does not take the key \(HTTP 403: no\)"),
        (Reply(status=404, error={"message": "no model judge-1"}), r"is not there \(HTTP 404: no model judge-1\): check model, and base_url"),
        (Reply(status=400, error={"message": "no temperature"}), r"does not take the request \(HTTP 400: no temperature\): .* can be null"),
        (Reply(status=404, body=b"<html>no</html>", kind="text/html"), "is not there .*HTTP 404"),
        (Reply(body=b"<html>Welcome!</html>", kind="text/html"), "is no OpenAI-compatible endpoint .*base_url, which mostly ends in /v1"),
        (Reply(body=b"{broken"), "is no OpenAI-compatible endpoint"),
        (Reply(body=b'{"choices": [7]}'), "is no OpenAI-compatible endpoint"),
        (Reply(body=b'["a"]'), "is no OpenAI-compatible endpoint"),
    ],
)  # fmt: skip
def test_what_will_never_do_is_an_input_error(reply: Reply, why: str) -> None:
    """Wrong key, model, parameters or address: one line, without retries."""
    with served(reply) as server:
        for ask in (lambda judge: judge.check(), lambda judge: judge.scores(texts("x"))):
            with pytest.raises(InputError, match=why) as caught:
                ask(judge_at(server))
            assert "\n" not in str(caught.value)
            assert server.url[7:-3] in str(caught.value)
    assert len(server.requests) == 2


# -- a judge that answers nonsense -----------------------------------------------------------


def test_a_reply_without_a_score_is_asked_for_once_more() -> None:
    """With what it has said, and a reminder; what it says then counts."""
    with served(in_turn("I <b>like</b> it", "7")) as server:
        judge = judge_at(server)
        assert judge.scores(texts("x")) == [pytest.approx(6 / 9)]
        assert (judge.report()["calls"], judge.report()["nonsense"]) == (2, 0)
    first, second = (each["messages"] for each in server.requests)
    assert second[0] == first[0]
    assert second[1] == {"role": "assistant", "content": "I <b>like</b> it"}
    assert second[2]["role"] == "user"
    assert "from 1 (worst) to 10 (best)" in second[2]["content"]


def test_nonsense_is_counted_and_not_kept(tmp_path: Path) -> None:
    """Nothing at all, a refusal of the endpoint's filter, no choices, thoughts without an end: each is asked again later."""
    filtered = Reply(status=400, error={"message": "no", "code": "content_filter"})
    path = tmp_path / "replies.sqlite"
    for nonsense in ("I like it", "", Reply(text=None), filtered, Reply(body=b'{"choices": []}'), "<think>8"):
        with served(lambda asked, nonsense=nonsense: nonsense if asked_about(asked) == "x" else "8") as server:
            judge = judge_at(server, cache=path)
            assert judge.scores(texts("x", "y", "x")) == [0, pytest.approx(7 / 9), pytest.approx(7 / 9)]
            assert len([each for each in server.requests if asked_about(each) == "x"]) == 2
            report = judge.report()
            assert (report["nonsense"], json.loads(json.dumps(report))) == (2, report)
            assert report["nonsense_example"].startswith("no score from 1 to 10 in ")
            server.answer = lambda _: "3"
            assert judge_at(server, cache=path).scores(texts("x", "y")) == [pytest.approx(2 / 9), pytest.approx(7 / 9)]
            assert judge.scores(texts("x")) == [pytest.approx(2 / 9)]
        path.unlink()


def test_nonsense_counts_as_the_mean_of_what_was_given_before() -> None:
    """So it never pays to make a judge babble. 0 as long as nothing was given; the order of the texts decides."""

    def answer(asked: dict[str, Any]) -> str:
        time.sleep(0.05 * (asked_about(asked) == "1"))  # what comes first is answered last
        return asked_about(asked) if asked_about(asked).isdigit() else "I like it"

    with served(answer) as server:
        judge = judge_at(server)
        assert judge.scores(texts("a", "1", "b", "10", "c", "1")) == pytest.approx([0, 0, 0, 1, 1 / 2, 0])
        assert judge.scores(texts("d", "10", "10", "e")) == pytest.approx([1 / 3, 1, 1, 3 / 5])


def test_a_judge_that_speaks_mostly_nonsense_is_stopped() -> None:
    """More than half of the first twenty, or later of the last fifty: one line names one of them. Less is only counted."""
    with served("I like it") as server:
        with pytest.raises(
            JudgeError,
            match=r"^11 of the first 11 replies of the judge judge-1 are of no use, such as this one: no score .*'I like it'.*; change model or template$",
        ):
            judge_at(server, concurrency=1).scores(numbered(100))
        assert len(server.requests) < 100  # of 200; some may be under way before anybody has looked at those before
    with served(lambda asked: "no" if int(asked_about(asked).split()[1]) % 2 else "8") as server:
        judge = judge_at(server, concurrency=1)
        assert judge.scores(numbered(100))[1::2] == pytest.approx([7 / 9] * 50)
        assert judge.report()["nonsense"] == 50
    with served(lambda asked: "8" if int(asked_about(asked).split()[1]) < 60 else "no") as server:
        judge = judge_at(server, concurrency=1)
        judge.scores(numbered(85))
        with pytest.raises(
            JudgeError,
            match=r"^26 of the last 50 replies of the judge judge-1 are of no use, such as this one: no score .*'no'.*; change model or template$",
        ):
            judge.scores(texts(*(f" more {number}" for number in range(99, 200))))


def test_a_first_reply_that_is_no_score_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """`check` asks once; a small model may do better on real texts."""
    with served("Blue indeed") as server:
        judge_at(server).check()
    assert "judge-1 answers, but so far no score" in caplog.text
    assert len(server.requests) == 1


# -- the key ---------------------------------------------------------------------------------


def test_where_the_key_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the parameter, or else the environment; a local endpoint needs none."""
    with served() as server:
        judge_at(server).check()
        judge_at(server, api_key=f" {KEY}\n").check()
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
        judge_at(server).check()
        judge_at(server, api_key=KEY).check()
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        OpenAIJudge("judge-1").check()
    assert server.keys == [
        "Bearer none",
        f"Bearer {KEY}",
        "Bearer sk-of-the-environment",
        f"Bearer {KEY}",
        "Bearer sk-of-the-environment",
    ]


def test_without_a_key_others_are_not_asked() -> None:
    """OpenAI's own endpoint, and any that is not in a private network."""
    for url in (None, "https://example.org/v1"):
        with pytest.raises(
            InputError,
            match=r"^no key for the judge at (api.openai.com|example.org): set OPENAI_API_KEY in the environment, or api_key$",
        ):
            OpenAIJudge("judge-1", url)
    for url in (
        "http://localhost:8000/v1",
        "http://[::1]:8000/v1",
        "http://192.168.1.7/v1",
        "http://llama:8000/v1",
        "http://box.local/v1",
    ):
        OpenAIJudge("judge-1", url).close()


def test_a_key_that_cannot_be_sent_is_refused_without_being_shown() -> None:
    """The HTTP client would show it; so would an address that has it."""
    for options in (
        {"api_key": f"{KEY}\nx"},
        {"api_key": f"{KEY}é"},
        {"base_url": f"http://me:{KEY}@127.0.0.1/v1"},
        {"base_url": f"http://127.0.0.1/v1?key={KEY}"},
        {"base_url": KEY},
    ):
        with pytest.raises(InputError) as caught:
            OpenAIJudge("judge-1", **{"base_url": "http://127.0.0.1/v1", **options})
        assert KEY not in "".join(traceback.format_exception(caught.value))


def test_the_key_is_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in logs, output, files, reports, `repr`, pickles or errors, also where the server repeats it in each reply."""
    echo = {"message": f"Incorrect API key provided: {KEY}"}
    shown: list[str] = []
    with caplog.at_level(logging.DEBUG):
        for name in ("openai", "httpx", "httpx2", "httpcore", "httpcore2"):
            logging.getLogger(name).setLevel(logging.DEBUG)
        replies = [
            Reply(f"8 {KEY}"),
            Reply(f"your key is {KEY}"),
            *(Reply(status=status, error=echo) for status in (401, 404, 400, 429, 500)),
            Reply(body=KEY.encode()),
            Reply(delay=1),
        ]
        for number, reply in enumerate(replies):
            with served(reply) as server:
                judge = judge_at(
                    server,
                    api_key=KEY,
                    max_retries=0,
                    timeout=0.3 if reply.delay else 20,
                    cache=tmp_path / f"{number}.sqlite",
                )
                for ask in (
                    judge.check,
                    lambda judge=judge: judge.scores(texts("x")),
                    lambda judge=judge: judge.scores(numbered(40)),
                ):
                    try:
                        shown.append(str(ask()))
                    except Exception as error:
                        errors: list[BaseException | None] = [error]
                        while errors[-1] is not None:  # all that the error leads to
                            errors.append(errors[-1].__cause__ or errors[-1].__context__)
                        assert len(errors) == 2
                        shown += [
                            "".join(traceback.format_exception(error)),
                            repr(error.__dict__),
                            repr(pickle.dumps(error)),
                        ]
                shown += [
                    repr(judge),
                    str(judge),
                    repr(vars(judge)),
                    json.dumps(judge.report()),
                    repr(judge._asking.endpoint),
                    repr(vars(judge._asking.endpoint)),
                ]
                for each in (judge, judge._asking.endpoint):
                    with pytest.raises(TypeError, match="cannot"):
                        pickle.dumps(each)
        with pytest.raises(JudgeError) as caught:
            OpenAIJudge("judge-1", nowhere(), KEY, max_retries=0).check()
        shown.append(repr(caught.value))
    shown += [caplog.text, *capfd.readouterr(), *(repr(record.__dict__) for record in caplog.records)]
    assert len(list(tmp_path.iterdir())) >= len(replies)
    assert len(caplog.records) > 20
    for text in shown:
        assert KEY not in text
    for file in tmp_path.rglob("*"):
        assert KEY.encode() not in file.read_bytes()
    assert all(key == f"Bearer {KEY}" for key in server.keys)


# -- parameters ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"model": ""}, "needs a model"), ({"timeout": 0}, "timeout"), ({"max_retries": -1}, "max_retries"), ({"concurrency": 0}, "concurrency"),
        ({"max_calls": 0}, "max_calls"), ({"temperature": -1}, "temperature"), ({"max_tokens": 0}, "max_tokens"), ({"base_url": "127.0.0.1:8000"}, "base_url must be an address"),
        ({"base_url": "http://127.0.0.1:port/v1"}, "base_url must be an address"), ({"base_url": "ftp://127.0.0.1"}, "base_url must be an address"),
    ],
)  # fmt: skip
def test_parameters_that_cannot_be_used_are_refused(options: dict[str, Any], why: str) -> None:
    """Each by its name."""
    with pytest.raises(InputError, match=re.escape(why)):
        OpenAIJudge(**{"model": "judge-1", "base_url": "http://127.0.0.1/v1", **options})
