"""A conversation in a terminal, or through a pipe: `backtrack-sampler chat`. Standard library only."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ..chat import ChatPipeline, Message, check_messages, load_messages
from ..errors import BacktrackError, InputError
from ..events import Event
from ..trace import Trace
from ..trace.files import check_path
from . import arguments
from .chat_notes import about_dropped, about_end
from .chat_screen import ChatScreen, ShownAnswer
from .chat_strategies import ChatStrategies
from .completion import completions
from .conversation import Conversation, counted
from .hang_up import hang_up_raises
from .trace import save

__all__ = ["Chat", "add"]

_HELP = """\
/undo            takes back the last question and its answer
/retry           answers the last question again
/system TEXT     says how the model should behave
/strategy SPEC   what may take back, from the next answer on; several: SPEC + SPEC
/operator SPEC   the same for operators
                 each of these three shows what there is, and with none removes it
/trace FILE      how the last answer was made: FILE.html, a page, or FILE.jsonl
/save FILE       writes the chat to a file; without FILE, to the last one
/load FILE       goes on with a chat from a file
/help            shows this
/exit            leaves, as Ctrl-D does
What is pasted is one question, and a line that ends in \\ goes on in the next one.
A question that begins with / is written with //. Ctrl-C clears it, or stops an answer."""


def add(commands: argparse._SubParsersAction[Any]) -> None:
    parser = commands.add_parser(
        "chat",
        help="talk with a model",
        **arguments.examples(
            "backtrack-sampler chat",
            'backtrack-sampler chat my-model.gguf --operator repetition --system "Be brief." -v',
            more=arguments.SPEC_HELP,
        ),
    )
    parser.set_defaults(run=_chat)
    parser.add_argument("model", metavar="MODEL", nargs="?", help=arguments.MODEL_HELP)
    parser.add_argument("--system", help="system message")
    parser.add_argument("--load", metavar="FILE", help="go on with a saved chat")
    arguments.add_engine(parser.add_argument_group("model"))
    arguments.add_strategies(parser)
    parser.add_argument("-v", "--verbose", action="store_true", help="show what is taken back")
    arguments.add_sampling(parser, max_new_tokens=512, temperature=0.7)


def _chat(options: argparse.Namespace) -> int:
    sampling = arguments.sampling_of(options)
    if options.model and options.model.endswith(".json") and Path(options.model).is_file():
        raise InputError(f"{options.model} is no model: to go on with a saved chat write --load {options.model}")
    arguments.specs_of(options)  # says what is wrong with them before the model is loaded
    system = check_messages([{"role": "system", "content": options.system}] if options.system else [])
    messages = load_messages(options.load) if options.load is not None else []
    provider = arguments.provider_of(options)
    pipeline = ChatPipeline(provider, options.system or None, drop_oldest=True)
    if system:  # given now, it takes the place of the one in the file
        messages = [message for message in messages if message["role"] != "system"]
    model = Path(options.model).resolve() if options.model else Path(arguments.model_name(options))
    chat = Chat(
        pipeline,
        model.name.removesuffix(".gguf"),
        ChatStrategies(options.strategies, provider),
        sampling,
        messages=messages,
        file=options.load or "",
        verbose=options.verbose,
        report=lambda: arguments.report(options, pipeline.generator.stats),
    )
    return chat.run()


class Chat:
    """One chat, from the first prompt to the end.

    Args:
        pipeline: answers.
        model: what the first line says it is a chat with.
        strategies: who may take back what is written.
        sampling: how each answer is drawn; see `Generator.generate`.
        messages: to go on from.
        file: where `messages` came from.
        verbose: show what is taken back.
        report: called after each answer.
    """

    def __init__(
        self,
        pipeline: ChatPipeline,
        model: str,
        strategies: ChatStrategies,
        sampling: dict[str, Any],
        *,
        messages: list[Message],
        file: str = "",
        verbose: bool = False,
        report: Callable[[], None] = lambda: None,
    ) -> None:
        self._pipeline = pipeline
        self._model = model
        self._strategies = strategies
        self._sampling = sampling
        self._talk = Conversation(messages, file, lambda said: self._pipeline.with_system(said))
        self._loaded = f"({counted(messages)} loaded from {file})" if messages else ""
        self._verbose = verbose
        self._report = report
        self._attempts = 0  # answers to the last question, before the present one
        self._dropped = 0  # turns that the person knows of
        self._trace: Trace | None = None  # of the last answer
        self._screen = ChatScreen()
        self._commands: dict[str, Callable[[str], None]] = {
            "/undo": self._undo,
            "/retry": self._retry,
            "/system": self._system,
            "/strategy": partial(self._strategy, "strategy"),
            "/operator": partial(self._strategy, "operator"),
            "/trace": self._write_trace,
            "/save": lambda name: self._screen.say(self._talk.save(name)),
            "/load": self._load,
            "/help": lambda _: self._screen.say(_HELP),
        }

    def run(self) -> int:
        """Read and answer until the end; returns the exit code.

        Whatever else ends the chat, it is saved first.
        """
        with hang_up_raises():
            try:
                self._screen.hint(f"{self._model}, {self._strategies.title}\n/help shows the commands, Ctrl-D leaves")
                if self._loaded:
                    self._screen.hint(self._loaded)
                self._screen.keyboard.completes(partial(completions, commands=[*self._commands, "/exit"]))
                self._read_all()
            except (KeyboardInterrupt, BrokenPipeError):
                raise  # the person, or the reader of our output, is done with it
            except BaseException as error:
                path = self._talk.rescue()
                with suppress(OSError):  # there may be nobody to tell
                    if path is not None:
                        self._screen.alarm(f"chat saved to {path}; go on with --load {path}")
                if isinstance(error, Exception) and not isinstance(error, BacktrackError):
                    raise BacktrackError(f"the chat ended on an error ({type(error).__name__}: {error})") from error
                raise
        return 0

    def _read_all(self) -> None:
        while (text := self._screen.read()) is not None:
            try:
                if not self._take(text):
                    return
            except KeyboardInterrupt:
                if not self._screen.is_terminal:
                    raise
                self._screen.hint("\n(stopped)")

    def _take(self, text: str) -> bool:
        """Do what a person says; False to leave."""
        try:
            _check_text(text)
            said = text.strip()
            if said.startswith("/") and not said.startswith("//"):
                name, argument = [*said.split(maxsplit=1), ""][:2]
                if "\n" in said and name != "/system":
                    raise InputError("a command is one line; write // to begin a question with /")
                if name == "/exit":
                    return False
                if name not in self._commands:
                    raise InputError(f"no command {name}: /help shows them; // begins a question with /")
                self._commands[name](argument)
            elif said:
                self._ask(_question_in(text))
        except BacktrackError as error:
            self._screen.error(error)
        return True

    # -- answering -------------------------------------------------------------------------

    def _ask(self, question: str) -> None:
        history = self._talk.ask(question)
        self._attempts = 0
        self._answer(question, history)

    def _retry(self, _: str) -> None:
        index = self._talk.last_question()
        messages = self._talk.messages
        if messages[index + 1 :]:
            self._attempts += 1
            if self._sampling.get("temperature") == 0:
                self._screen.hint("(the answer will be the same, with --temperature 0)")
        self._answer(messages[index]["content"], messages[:index])

    def _answer(self, question: str, history: list[Message]) -> None:
        sampling = {**self._sampling, "strategy": self._strategies.built}
        if sampling.get("seed") is not None:
            sampling["seed"] += self._attempts
        provider = self._pipeline.generator.provider
        shown, trace = ShownAnswer(self._screen, self._verbose), Trace(provider)

        def tell(event: Event) -> None:
            trace(event)
            shown(event)

        try:
            turn = self._pipeline.stream_turn(question, history, on_event=tell, **sampling)
        except InputError as error:
            self._screen.error(error)
            again = "the up arrow brings it back; " if self._screen.keyboard.edits else ""
            self._screen.hint(f"({again}/save FILE keeps the chat, to start again with --load FILE)")
            return
        if note := about_dropped(turn.dropped, self._dropped, provider, sampling):
            self._screen.say(note)
        self._dropped = turn.dropped
        self._trace = trace
        shown.begin(turn, provider.decode)
        stopped = False
        try:
            for piece in turn:
                shown.piece(piece)
        except KeyboardInterrupt:
            if not self._screen.is_terminal:
                raise
            stopped = True
        finally:
            if turn.answer:  # whatever happened, what was written is kept
                self._talk.messages = turn.history
            turn.close()
            with suppress(OSError):  # nobody may be there to see it
                shown.end()
                self._report()
        if note := about_end(turn, provider, sampling, stopped=stopped):
            self._screen.hint(note)

    # -- other commands --------------------------------------------------------------------

    def _undo(self, _: str) -> None:
        question = self._talk.undo()
        self._attempts = 0
        self._screen.say(f"(taken back: {_in_short(question)})")

    def _system(self, text: str) -> None:
        if not text:
            messages = self._pipeline.with_system(self._talk.messages)
            found = [message["content"] for message in messages if message["role"] == "system"]
            self._screen.say(found[0] if found else "(no system message)")
            return
        system = None if text == "none" else text
        # An error leaves the old one.
        self._pipeline = ChatPipeline(self._pipeline.generator, system, drop_oldest=True)
        self._talk.drop_system()
        self._screen.hint(f"(from the next answer on: {system or 'no system message'})")

    def _strategy(self, kind: str, text: str) -> None:
        if text:
            self._strategies = self._strategies.with_other(kind, text)
            self._screen.hint(f"(from the next answer on: {self._strategies.title})")
        else:
            self._screen.say(str(self._strategies))

    def _write_trace(self, name: str) -> None:
        if not name:
            raise InputError("write /trace FILE.html, for a page, or /trace FILE.jsonl")
        file = check_path(os.path.expanduser(name))
        if self._trace is None or self._trace.started is None:
            raise InputError("nothing was answered yet")
        save(self._trace, [file])

    def _load(self, name: str) -> None:
        self._screen.say(self._talk.load(name))
        self._attempts = self._dropped = 0


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError("that line is not valid text: use UTF-8") from None


def _question_in(text: str) -> str:
    """Without what does not belong to it; of several lines the first may be indented, as the others are."""
    said = text.strip()
    if "\n" in said and not said.startswith("//"):
        return re.sub(r"\A\s*\n", "", text).rstrip()
    return said.removeprefix("/")


def _in_short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:59]}\u2026"
