"""Ctrl-C while an engine calls Python back."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import llama_cpp
import pytest
import tiny_gguf
from llama_cpp import _logger

from backtrack_sampler.provider.interrupts import interrupts_kept
from backtrack_sampler.provider.llamacpp_provider import LlamacppProvider


@pytest.fixture(autouse=True)
def raising(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test run in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@ctypes.CFUNCTYPE(None)
def press() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_press_in_a_callback_is_kept() -> None:
    """What ctypes would drop takes effect afterwards; everything inside is finished first."""
    press()  # dropped: this is why
    done = False
    with pytest.raises(KeyboardInterrupt), interrupts_kept():
        press()
        done = True
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_inside_and_a_press() -> None:
    """Ctrl-C wins, and the error is in its context."""
    with pytest.raises(KeyboardInterrupt) as caught, interrupts_kept():
        press()
        raise ValueError
    assert isinstance(caught.value.__context__, ValueError)


def test_without_a_press() -> None:
    """Nothing happens; an error is an error, and what Ctrl-C does is as before."""
    with pytest.raises(KeyError), interrupts_kept():
        raise KeyError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_ctrl_c_is_ignored_or_not_ours() -> None:
    """A program that ignores Ctrl-C goes on ignoring it; other threads cannot handle signals, and need not."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts_kept():
        press()
    errors: list[BaseException] = []

    def other() -> None:
        try:
            with interrupts_kept():
                pass
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert errors == []


@pytest.fixture
def pressed_by_the_log() -> Iterator[list[str]]:
    """Presses Ctrl-C whenever llama.cpp logs something."""
    lines: list[str] = []

    @llama_cpp.llama_log_callback
    def log(_: int, text: bytes, __: object) -> None:
        lines.append(text.decode())
        if len(lines) == 5:
            signal.raise_signal(signal.SIGINT)

    llama_cpp.llama_log_set(log, ctypes.c_void_p(0))
    yield lines
    llama_cpp.llama_log_set(_logger.llama_log_callback, ctypes.c_void_p(0))


def test_while_a_model_is_loaded(pressed_by_the_log: list[str], tmp_path: Path) -> None:
    """llama.cpp logs through Python while it loads; a Ctrl-C that comes just then ends the loading."""
    file = tiny_gguf.write_gemma3(tmp_path / "tiny.gguf")
    with pytest.raises(KeyboardInterrupt):
        LlamacppProvider.from_pretrained(file, n_ctx=256)
    LlamacppProvider.from_pretrained(file, n_ctx=256)


def test_while_a_context_is_made(pressed_by_the_log: list[str], tmp_path: Path) -> None:
    """The same for the context of several streams; the next call goes on as if nothing had been."""
    pressed_by_the_log += [""] * 5
    provider = LlamacppProvider.from_pretrained(tiny_gguf.write_gemma3(tmp_path / "tiny.gguf"), n_ctx=256)
    pressed_by_the_log.clear()
    with pytest.raises(KeyboardInterrupt):
        provider.logits_batch([[5, 6], [7, 8]])
    assert len(provider.logits_batch([[5, 6], [7, 8]])) == 2
