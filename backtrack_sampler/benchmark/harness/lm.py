"""The models of this package, with their strategies, in EleutherAI's lm-evaluation-harness: its model "backtrack".

    import lm_eval
    from backtrack_sampler.benchmark.harness.lm import BacktrackLM

    lm = BacktrackLM(load_provider(), strategy="antislop:slops=@phrases.txt")
    lm_eval.simple_evaluate(lm, tasks=["gsm8k"], num_fewshot=5, limit=100)

The harness knows the name only once this module was imported; its own command does not. Use
`python -m backtrack_sampler.benchmark.harness`, which is that command with this model.
"""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ...checks import check_count, check_seed
from ...discovery import load_provider
from ...errors import BatchError, InputError, MissingPackageError
from ...prompts import chat_text, encoded
from ...provider.base_provider import BaseProvider
from ...sampler import BacktrackSampler
from ...stream import TokenStream
from .arguments import Writers, batch_size_of, check_cut
from .likelihood import Continuation, log_likelihoods
from .requests import MAX_NEW_TOKENS, drawing_of, seeds_of_requests

try:
    from lm_eval.api.model import TemplateLM
    from lm_eval.api.registry import register_model
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
except ImportError as error:
    raise MissingPackageError('lm_eval is not installed: pip install "backtrack_sampler[benchmark]"') from error

__all__ = ["BacktrackLM"]

_log = logging.getLogger(__name__)

_MAX_LENGTH = 2048  # of a model that does not say; the harness's own default
_DEFAULT_DEVICE = "cuda:0"  # what the harness's command says where nobody has said anything
_STORED = "backtrack_sampler: what has written these answers"


@register_model("backtrack")
class BacktrackLM(TemplateLM):  # type: ignore[misc]  # lm_eval is not typed
    """A model and its strategies, as lm-evaluation-harness calls them.

    Every request is drawn as it says itself (`until`, `do_sample`, `temperature`, `top_p`, `top_k`, `min_p`,
    `max_gen_toks`), many at once, and each repeat has its own seed. A context that is too long loses its
    beginning. Log-likelihoods are the model's own: nothing is drawn there that a strategy could take back.

    The answer of a stream that fails is "". It is logged, and what has failed is counted in the results,
    under "config" in "backtrack_streams". Where all fail, that is an error.

    Args:
        provider: a loaded model; or say `pretrained`.
        pretrained: what `load_provider` takes: a `.gguf` file, a folder, or a name on a hub. Neither of the
            two: the embedded SmolLM2.
        engine: see `load_provider`.
        strategy: a strategy as on the command line, "antislop:slops=a|b", or a list of them, or a function
            that makes those of one stream. A string of `model_args` is cut at commas: write a dict there, or
            JSON in the shell.
        operator: an operator as on the command line, or a list of them; they come after the strategies.
        max_batch: most streams at once; 16, or the harness's `batch_size` where that is larger than 1.
        seed: of the run; each text's is made from it.
        max_length: tokens of a context; None: the model's own.
        max_gen_toks: most tokens of an answer where a task does not say.
        top_k: for requests that sample and do not say; 50 as in transformers.
        prefix_token_id: what a text without context follows; None: the token that texts begin with, or else end
            with.
        batch_size, max_batch_size, device: from the harness.
        **options: for the provider, such as `dtype` or `n_ctx`.

    Attributes:
        streams: how many streams were "generated" and "failed", the tokens "drawn" and "kept", the
            "rollbacks"; and how they have ended.
        errors: what has failed: an error, and how often.
    """

    def __init__(
        self,
        provider: BaseProvider | None = None,
        *,
        pretrained: str | None = None,
        engine: str | None = None,
        strategy: str | Sequence[str] | Callable[[], Any] | None = None,
        operator: str | Sequence[str] | None = None,
        max_batch: int | None = None,
        seed: int = 0,
        max_length: int | None = None,
        max_gen_toks: int = MAX_NEW_TOKENS,
        top_k: int | None = 50,
        prefix_token_id: int | None = None,
        batch_size: int | str | None = None,
        max_batch_size: int | None = None,
        device: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        if provider is not None and not isinstance(provider, BaseProvider):
            raise InputError(f"a model must be a provider, such as load_provider() gives, not {provider!r:.60}")
        if provider is not None and (pretrained is not None or engine is not None or options):
            named = ", ".join(
                filter(None, ["pretrained" * (pretrained is not None), "engine" * bool(engine), *options])
            )
            raise InputError(f"the model is loaded already: leave {named} out")
        self._writers = Writers(strategy, operator)
        if provider is None:
            check_cut(self._writers, options, pretrained, engine)
        self.max_batch = check_count("max_batch", max_batch or batch_size_of(batch_size, max_batch_size))
        self.seed = check_seed("seed", seed) or 0
        self.max_gen_toks = check_count("max_gen_toks", max_gen_toks)
        self._top_k = top_k
        if provider is None:
            if device not in (None, _DEFAULT_DEVICE):  # a GPU that is there is used in any case
                options["device"] = device
            provider = load_provider(pretrained, engine, **options)
        self.provider = provider
        if max_length is not None:
            check_count("max_length", max_length, 2)
        self.max_length = min(filter(None, [max_length, provider.context_size]), default=_MAX_LENGTH)
        self._prefix_token_id = prefix_token_id
        self._encoded = functools.lru_cache(512)(functools.partial(encoded, provider))
        self.streams: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self._warned: set[str] = set()

    # -- text ------------------------------------------------------------------------------

    @property
    def eot_token_id(self) -> int:
        return self.provider.get_eos_token_id()

    @property
    def prefix_token_id(self) -> int:
        if self._prefix_token_id is not None:
            return self._prefix_token_id
        begin = self.provider.bos_token_id
        return self.eot_token_id if begin is None else begin

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        return list(self._encoded(string, add_special_tokens))

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """A conversation as a prompt; where it ends with the beginning of an answer, that is gone on from."""
        *before, last = chat_history
        if add_generation_prompt:
            return self._chat_text(chat_history)
        return self._chat_text(before) + last["content"]

    def _chat_text(self, messages: list[dict[str, str]]) -> str:
        try:
            return chat_text(self.provider, messages)
        except InputError:
            if messages[0]["role"] != "system" or len(messages) < 2:
                raise
            system, first, *rest = messages
            merged = {**first, "content": f"{system['content']}\n\n{first['content']}"}
            found = chat_text(self.provider, [merged, *rest])
            self._warn_once("the model's chat template takes no system message: it begins the first question instead")
            return found

    @property
    def tokenizer_name(self) -> str:
        return (self.provider.model_name or type(self.provider).__name__).replace("/", "__")

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        """How a question looks in the model's template, which is what a provider knows of it."""
        if not chat_template:
            return None
        if isinstance(chat_template, str):
            self._warn_once(f"the model's own chat template is used, not one that is called {chat_template!r}")
        return self._chat_text([{"role": "user", "content": "{question}"}])

    # -- drawing ---------------------------------------------------------------------------

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """The answers, in the order of the requests; see the class."""
        asked = [self._prompt(request) for request in requests]
        for prompt, seed in zip(asked, seeds_of_requests(requests, self.seed), strict=True):
            prompt["seed"] = seed
        # Longest first: what needs too much memory says so at once, and whoever begins alike is together.
        order = sorted(range(len(asked)), key=lambda index: (-len(asked[index]["prompt"]), asked[index]["prompt"]))
        sampler = BacktrackSampler(self.provider)
        batch = sampler.generate_batch(
            [asked[index] for index in order], self._writers.maker(self.provider), max_batch=self.max_batch
        )
        answers = [""] * len(asked)
        for row in batch.results(progress=not disable_tqdm):
            index = order[row.index]
            self._count(row, requests[index])
            if row.error is None:
                answers[index] = row.text
                self.cache_hook.add_partial("generate_until", requests[index].args, row.text)
        if errors := batch.errors:
            if len(errors) == len(asked):
                raise BatchError(errors, batch.rows)
            _log.error(
                "%d of %d streams have failed: their answers are empty, and count as they are", len(errors), len(asked)
            )
        return answers

    def _prompt(self, request: Any) -> dict[str, Any]:
        context, said = request.args[:2]
        options, ignored = drawing_of(said, self.max_gen_toks, self._top_k)
        for name in ignored:
            self._warn_once(f"{name}={said.get(name)} of {request.task_name or 'a request'} is not there, and left out")
        room = self.max_length - options["max_new_tokens"]
        if room < 1:
            raise InputError(
                f"{request.task_name or 'a request'} asks for {options['max_new_tokens']} new tokens, and the model's "
                f"context holds {self.max_length}: make max_gen_toks smaller{self.provider.larger_context}"
            )
        tokens = self.tok_encode(context) or [self.prefix_token_id]
        if len(tokens) > room:
            self._warn_once(
                f"contexts are longer than the {self.max_length} tokens that the model holds, less those of an answer: "
                "they lose their beginnings"
            )
        return {"prompt": tokens[-room:], **options}

    def _count(self, row: TokenStream, request: Any) -> None:
        stats = row.stats
        self.streams.update(generated=1, kept=stats.emitted, drawn=stats.drawn, rollbacks=stats.rollbacks)
        if row.error is None:
            self.streams[f"ended by {stats.finish_reason}"] += 1
            return
        said = " ".join(str(row.error).split())
        self.streams["failed"] += 1
        self.errors[said] += 1
        if self.errors[said] == 1:
            _log.error("the stream for document %s of %s has failed: %s", request.doc_id, request.task_name, said)

    # -- scoring ---------------------------------------------------------------------------

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """The log-probability of continuations, each with whether it is the most probable one.

        Nothing after nothing, which the harness does not take, is certain.
        """
        some = [any(request.args) for request in requests]
        told = [request for request, there in zip(requests, some, strict=True) if there]
        found = iter(super().loglikelihood(told, disable_tqdm))
        return [next(found) if there else (0.0, True) for there in some]

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        """The log-probability of whole texts, in windows as long as the context, each token once."""
        texts = [self.tok_encode(request.args[0]) for request in requests]
        windows = [(index, each) for index, text in enumerate(texts) for each in self._windows(text)]
        found = [0.0] * len(requests)
        scored = self._scored([window for _, window in windows], disable_tqdm)
        for (index, _), (value, _) in zip(windows, scored, strict=True):
            found[index] += value
        for request, value in zip(requests, found, strict=True):
            self.cache_hook.add_partial("loglikelihood_rolling", request.args, value)
        return found

    def _windows(self, tokens: list[int]) -> Iterator[Continuation]:
        whole = get_rolling_token_windows(tokens, self.prefix_token_id, self.max_length, context_len=1)
        for context, told in map(make_disjoint_window, whole):
            yield Continuation([*context, *told], len(context))

    def _loglikelihood_tokens(
        self, requests: list[tuple[Any, list[int], list[int]]], disable_tqdm: bool = False, **others: Any
    ) -> list[tuple[float, bool]]:
        asked = []
        for _, context, told in requests:
            context = context or [self.prefix_token_id]  # white space alone goes to the continuation
            whole = Continuation([*context, *told], len(context))
            asked.append(whole.within(self.max_length))
            if asked[-1] is not whole:
                self._warn_once(
                    f"contexts are longer than the model's {self.max_length} tokens: they lose their beginnings"
                )
        answers = self._scored(asked, disable_tqdm)
        for (key, _, _), answer in zip(requests, answers, strict=True):
            if key is not None:
                self.cache_hook.add_partial("loglikelihood", key, answer)
        return answers

    def _scored(self, asked: list[Continuation], disable_tqdm: bool) -> list[tuple[float, bool]]:
        from tqdm.auto import tqdm

        if self._writers:
            self._warn_once("log-likelihoods are the model's own: no strategy has a part in them")
        with tqdm(total=len(asked), desc="log-likelihoods", disable=disable_tqdm) as bar:
            return log_likelihoods(self.provider, asked, self.max_batch, bar.update)

    # -- results ---------------------------------------------------------------------------

    def get_model_info(self) -> dict[str, Any]:
        """What stands in the results, under "config"."""
        try:
            ours = version("backtrack_sampler")
        except PackageNotFoundError:
            ours = ""
        return {
            "model_name": self.provider.model_name,
            "backtrack_version": ours,
            "backtrack_engine": type(self.provider).__name__,
            "backtrack_strategies": self._writers.names,
            "backtrack_seed": self.seed,
            "backtrack_max_batch": self.max_batch,
            "backtrack_context": self.max_length,
            "backtrack_streams": {"failed": 0, **self.streams},
            "backtrack_errors": dict(self.errors),
        }

    def set_cache_hook(self, cache_hook: Any) -> None:
        """Answers are stored under their questions alone: those of another model or strategy must not be taken.

        Raises:
            InputError: what is stored there is not of this model and these strategies.
        """
        stored = cache_hook.dbdict
        if stored is not None:
            mine = repr([self.provider.model_name, type(self.provider).__name__, self._writers.identity, self.seed])
            if stored.get(_STORED, None if len(stored) else mine) != mine:
                raise InputError(
                    "the answers in this cache are of another model, strategy or seed, and would be taken for those "
                    "of this one: give use_cache another path"
                )
            stored[_STORED] = mine
        super().set_cache_hook(cache_hook)

    def _warn_once(self, said: str) -> None:
        if said not in self._warned:
            self._warned.add(said)
            _log.warning(said)
