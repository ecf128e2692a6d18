"""A conversation in a terminal, or through a pipe: `backtrack-sampler chat`. Standard library only."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..chat import ChatPipeline, Message, Turn, check_messages, load_messages, save_messages
from ..discovery import embedded_model
from ..errors import BacktrackError, InputError
from . import arguments
from .chat_screen import ChatScreen, ShownAnswer
from .hang_up import hang_up_raises, rescued

__all__ = ["Chat", "add"]

_HELP = """\
/undo          takes back the last question and its answer
/retry         answers the last question again
/system TEXT   says how the model should behave; without TEXT, shows it
/save FILE     writes the chat to a file; without FILE, to the last one
/load FILE     goes on with a chat from a file
/help          shows this
/exit          leaves, as Ctrl-D does
Ctrl-C stops an answer. A question that begins with / is written with //."""


def add(commands: argparse._SubParsersAction[Any]) -> None:
    parser = commands.add_parser("chat", help="talk with a model", epilog=arguments.SPEC_HELP)
    parser.set_defaults(run=_chat)
    parser.add_argument("model", metavar="MODEL", nargs="?", help=arguments.MODEL_HELP)
    parser.add_argument("--system", help="system message")
    parser.add_argument("--load", metavar="FILE", help="go on with a saved chat")
    arguments.add_engine(parser.add_argument_group("model"))
    arguments.add_strategies(parser)
    parser.add_argument("-v", "--verbose", action="store_true", help="show what is taken back")
    arguments.add_sampling(parser, max_new_tokens=512, temperature=0.7)


def _chat(options: argparse.Namespace) -> int:
    sampling, specs = arguments.sampling_of(options), arguments.specs_of(options)
    system = check_messages([{"role": "system", "content": options.system}] if options.system else [])
    messages = load_messages(options.load) if options.load is not None else []
    provider = arguments.provider_of(options)
    pipeline = ChatPipeline(provider, options.system or None)
    if system:  # given now, it takes the place of the one in the file
        messages = [message for message in messages if message["role"] != "system"]
    model = Path(options.model).resolve() if options.model else embedded_model()
    names = [spec.cls.__name__ for spec in specs]
    chat = Chat(
        pipeline,
        f"{model.name.removesuffix('.gguf')}, {' + '.join(names) or 'no strategy'}",
        {"strategy": arguments.strategies_of(specs, provider), **sampling},
        messages=messages,
        file=options.load or "",
        verbose=options.verbose,
        report=lambda: arguments.report(options, pipeline.generator.stats),
    )
    return chat.run()


class Chat:
    """One conversation, from the first prompt to the end.

    Args:
        pipeline: answers.
        title: what the first line says it is a chat with.
        generation: what each answer is drawn with; see `Generator.generate`.
        messages: to go on from.
        file: where `messages` came from.
        verbose: show what is taken back.
        report: called after each answer.
    """

    def __init__(
        self,
        pipeline: ChatPipeline,
        title: str,
        generation: dict[str, Any],
        *,
        messages: list[Message],
        file: str = "",
        verbose: bool = False,
        report: Callable[[], None] = lambda: None,
    ) -> None:
        self._pipeline = pipeline
        self._title = title
        self._generation = generation
        self._messages = messages  # the last one may be a question without an answer
        self._kept = messages  # as they were last in a file
        self._file = file
        self._verbose = verbose
        self._report = report
        self._attempts = 0  # answers to the last question, before the present one
        self._screen = ChatScreen()
        self._commands: dict[str, Callable[[str], None]] = {
            "/undo": self._undo,
            "/retry": self._retry,
            "/system": self._system,
            "/save": self._save,
            "/load": self._load,
            "/help": lambda _: self._screen.say(_HELP),
        }

    def run(self) -> int:
        """Read and answer until the end; returns the exit code.

        Whatever else ends the chat, it is saved first.
        """
        with hang_up_raises():
            try:
                self._screen.hint(f"{self._title}\n/help shows the commands, Ctrl-D leaves")
                if self._messages:
                    self._screen.hint(f"({_counted(self._messages)} loaded from {self._file})")
                self._read_all()
            except (KeyboardInterrupt, BrokenPipeError):
                raise  # the person, or the reader of our output, is done with it
            except BaseException as error:
                self._rescue()
                if isinstance(error, Exception) and not isinstance(error, BacktrackError):
                    raise BacktrackError(f"the chat ended on an error ({type(error).__name__}: {error})") from error
                raise
        return 0

    def _read_all(self) -> None:
        while (line := self._screen.read()) is not None:
            try:
                if not self._take(line.strip()):
                    return
            except KeyboardInterrupt:
                if not self._screen.is_terminal:
                    raise
                self._screen.hint("\n(stopped)")

    def _take(self, line: str) -> bool:
        """Do what a line says; False to leave."""
        try:
            _check_text(line)
            if line.startswith("/") and not line.startswith("//"):
                name, argument = [*line.split(maxsplit=1), ""][:2]
                if name == "/exit":
                    return False
                if name not in self._commands:
                    raise InputError(f"no command {name}: /help shows them; // begins a question with /")
                self._commands[name](argument)
            elif line:
                self._ask(line.removeprefix("/"))
        except BacktrackError as error:
            self._screen.error(error)
        return True

    # -- answering -------------------------------------------------------------------------

    def _ask(self, question: str) -> None:
        history = self._messages
        if history and history[-1]["role"] == "user":  # it got no answer; this one takes its place
            history = history[:-1]
        self._messages = [*history, {"role": "user", "content": question}]
        self._attempts = 0
        self._answer(question, history)

    def _retry(self, _: str) -> None:
        index = self._last_question()
        if self._messages[index + 1 :]:
            self._attempts += 1
            if self._generation.get("temperature") == 0:
                self._screen.hint("(the temperature is 0: the answer will be the same)")
        self._answer(self._messages[index]["content"], self._messages[:index])

    def _answer(self, question: str, history: list[Message]) -> None:
        generation = dict(self._generation)
        if generation.get("seed") is not None:
            generation["seed"] += self._attempts
        shown = ShownAnswer(self._screen, self._verbose)
        turn = self._pipeline.stream_turn(question, history, on_event=shown, **generation)
        shown.begin(turn, self._pipeline.generator.provider.decode)
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
                self._messages = turn.history
            turn.close()
            with suppress(OSError):  # nobody may be there to see it
                shown.end()
                self._report()
        self._say_how_it_ended(turn, stopped)

    def _say_how_it_ended(self, turn: Turn, stopped: bool) -> None:
        reason = self._pipeline.generator.stats.finish_reason
        if stopped:
            self._screen.hint("(stopped; what is written stays)" if turn.answer else "(stopped; /retry asks again)")
        elif not turn.answer:
            self._screen.hint("(no answer; /retry asks again)")
        elif reason == "length":
            self._screen.hint("(cut off: see --max-new-tokens)")
        elif reason == "context":
            self._screen.hint("(cut off: the context is full; /undo makes room, and see --context)")
        elif reason == "exhausted":
            self._screen.hint("(the strategy allows nothing more here)")

    def _last_question(self) -> int:
        for index in range(len(self._messages) - 1, -1, -1):
            if self._messages[index]["role"] == "user":
                return index
        raise InputError("nothing was asked yet")

    # -- other commands --------------------------------------------------------------------

    def _undo(self, _: str) -> None:
        index = self._last_question()
        question = self._messages[index]["content"]
        self._messages = self._messages[:index]
        self._attempts = 0
        self._screen.say(f"(taken back: {_in_short(question)})")

    def _system(self, text: str) -> None:
        if not text:
            messages = self._pipeline.with_system(self._messages)
            found = [message["content"] for message in messages if message["role"] == "system"]
            self._screen.say(found[0] if found else "(no system message)")
            return
        self._pipeline = ChatPipeline(self._pipeline.generator, text)  # an error leaves the old one
        self._messages = [message for message in self._messages if message["role"] != "system"]

    def _save(self, name: str) -> None:
        if not (name or self._file):
            raise InputError("write /save FILE")
        path = Path(name or self._file).expanduser()
        if name and path.is_file() and path.stat().st_size:
            load_messages(path)  # another chat may be written over, anything else may not
        messages = self._pipeline.with_system(self._messages)
        save_messages(path, messages)
        self._kept, self._file = self._messages, str(path)
        self._screen.say(f"({_counted(messages)} saved to {path})")

    def _load(self, name: str) -> None:
        if not name:
            raise InputError("write /load FILE")
        path = Path(name).expanduser()
        self._messages = self._kept = load_messages(path)
        self._file = str(path)
        self._attempts = 0
        self._screen.say(f"({_counted(self._messages)} loaded from {path})")

    def _rescue(self) -> None:
        """Save what no file has yet, wherever that is possible, and say where."""
        messages = self._pipeline.with_system(self._messages)
        if self._messages == self._kept or not any(message["role"] != "system" for message in messages):
            return
        if path := rescued("chat", ".json", lambda path: save_messages(path, messages)):
            with suppress(OSError):
                self._screen.alarm(f"chat saved to {path}; go on with --load {path}")


def _check_text(line: str) -> None:
    try:
        line.encode()
    except UnicodeEncodeError:
        raise InputError("that line is not valid text: use UTF-8") from None


def _counted(messages: list[Message]) -> str:
    return "1 message" if len(messages) == 1 else f"{len(messages)} messages"


def _in_short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:59]}\u2026"
