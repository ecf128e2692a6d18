"""The command of lm-evaluation-harness with this package's model in it.

    python -m backtrack_sampler.benchmark.harness run --tasks my_task --include_path my_tasks \\
        --model_args pretrained=model.gguf strategy=antislop:slops=@phrases.txt --log_samples --output_path results

`--model backtrack` is filled in where no other is named. The harness's own `lm_eval --model backtrack` cannot
work: it has no entry points, so it knows of a model only once the module with it was imported, and none of its
options imports one (`--include_path` is for tasks). In a program, `import backtrack_sampler.benchmark.harness.lm` is
enough; from then on `lm_eval.simple_evaluate(model="backtrack", ...)` finds it.

A string of `--model_args` is cut at commas; where a strategy has several parameters, write JSON:

    --model_args '{"pretrained": "model.gguf", "strategy": "antislop:slops=@phrases.txt,whole_words=true"}'
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ...errors import BacktrackError

__all__ = ["main"]

_NAMES = ("--model", "-M", "--config", "-C", "--help", "-h")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the harness's command; returns the exit code: 2 where something cannot be used as given."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    before = sys.argv
    try:
        from . import lm  # noqa: F401  # registers the model

        sys.argv = ["lm-eval", *_with_model(given)]
        from lm_eval.__main__ import cli_evaluate

        cli_evaluate()
    except BacktrackError as error:
        print("lm-eval:", " ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    finally:
        sys.argv = before
    return 0


def _with_model(arguments: list[str]) -> list[str]:
    """The same with this package's model, where a run is asked for and no model is named."""
    runs = bool(arguments) and (arguments[0] == "run" or arguments[0].startswith("-"))
    named = any(each == name or each.startswith(f"{name}=") for each in arguments for name in _NAMES)
    if not runs or named:
        return arguments
    rest = arguments[arguments[0] == "run" :]
    return ["run", "--model", "backtrack", *rest]


if __name__ == "__main__":
    sys.exit(main())
