# Two commands do all the set-up: `make demo` and `make test`. Both need Python 3.11 or newer and a C++ compiler.
PYTHON ?= python3
VENV ?= .venv
PIP = $(VENV)/bin/python -m pip install -c constraints.txt
# Several tokens: one alone is evaluated by other code.
EVALUATES = $(VENV)/bin/python -c "from backtrack_sampler import load_provider; load_provider().logits(range(64))"

# A sandbox may refuse the AMX that its processor lists, and llama.cpp then dies of a signal: it is compiled without.
ifneq ($(shell grep -som1 amx_tile /proc/cpuinfo),)
export CMAKE_ARGS ?= -DGGML_NATIVE=OFF -DGGML_AVX512=ON -DGGML_AVX512_VBMI=ON -DGGML_AVX512_VNNI=ON \
  -DGGML_AVX512_BF16=ON -DGGML_AVX_VNNI=ON
endif

.PHONY: demo test browser check bench mutants clean

demo: $(VENV)/.demo
	@$(VENV)/bin/python examples/demo.py

test: $(VENV)/.test browser
	$(VENV)/bin/python -m pytest

# The page of a trace is tested in a real browser: the one that is there, or else Debian's or playwright's.
browser: $(VENV)/.test
	@$(VENV)/bin/python tests/browser.py || \
	  { [ "$$(id -u)" = 0 ] && { apt-get install -qy chromium || { apt-get update -q && apt-get install -qy chromium; }; } \
	    && $(VENV)/bin/python tests/browser.py; } || $(VENV)/bin/playwright install chromium

check: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: $(VENV)/.test
	$(VENV)/bin/python benchmarks/overhead.py
	$(VENV)/bin/python benchmarks/batch.py

# Not part of the tests: hours of one process; it goes on where it was stopped.
mutants: $(VENV)/.mutants
	$(VENV)/bin/python benchmarks/mutants.py

clean:
	rm -rf $(VENV) mutants

$(VENV)/bin/python:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is needed (Debian: apt install python3-venv)"; exit 1; }

$(VENV)/.%: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing into $(VENV); the first time llama.cpp is compiled, which takes five to ten minutes on two cores."
	@$(PIP) -e '.[$*]'
	@$(EVALUATES) || { [ $$? -gt 128 ] && echo "llama.cpp was compiled for another machine: it is compiled again." \
	    && $(PIP) --no-cache-dir --force-reinstall --no-deps llama-cpp-python && $(EVALUATES); }
	@touch $@
