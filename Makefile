# Plain `make` lists the targets. Each makes the environment it needs, once; after that none installs anything.
# make itself ends with 2 when a command fails; `.venv/bin/python -m course ...` ends with the command's own code.

PYTHON ?= python3
PORT ?= 0
COURSE = .venv/bin/python -m course
READY = .venv/ready

.DEFAULT_GOAL := help
.PHONY: help lab test check watch hint solution reset model sandbox proxy decide protect doctor build lint format bench bench-proxy faults live-check tiny-model lock clean
MAKEFLAGS += --no-print-directory
# Some machines set this; every start would then compile our modules anew.
unexport PYTHONDONTWRITEBYTECODE

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

lab: $(READY)  ## Open JupyterLab in notebooks/ (seconds; the first time about 2 minutes)
	@$(COURSE) lab

test: $(READY)  ## Run everything: exercises, notebooks, the course's own tests (about 3 minutes)
	@$(COURSE) test

check: $(READY)  ## Check your exercises: all, NB=01 or EX=01-2 (about a second)
	@$(COURSE) check $(EX) $(if $(NB),--nb $(NB))

watch: $(READY)  ## Check again whenever you save a notebook, until Ctrl-C
	@$(COURSE) watch

hint: $(READY)  ## Show a hint, a nudge first: EX=01-2, and N=2 for more
	@$(COURSE) hint $(call needed,EX) $(if $(N),--number $(N))

solution: $(READY)  ## Show the solution, once it is due: EX=01-2
	@$(COURSE) solution $(call needed,EX)

reset: $(READY)  ## Start afresh: EX=01-2 or NB=01; keeps a backup, UNDO=1 brings it back
	@$(COURSE) reset $(if $(UNDO),--undo $(if $(NB),--nb $(NB)),$(if $(NB),--nb $(NB),--ex $(call needed,EX)))

model: $(READY)  ## Bring a real small model, once: 93 MB, a minute; LIVE=1 takes it from Hugging Face
	@$(COURSE) model

sandbox: $(READY)  ## Serve Hugging Face in a box, until Ctrl-C (PORT=8000, ENGINE=local MODEL=smollm2)
	@$(COURSE) sandbox --port $(PORT) $(engine)

proxy: $(READY)  ## Serve the proxy of lesson 05 and its page, yours where right (PORT=8000 WORKERS=2)
	@$(COURSE) proxy --port $(PORT) $(if $(PAGE),--page $(PAGE)) $(if $(WORKERS),--workers $(WORKERS)) $(engine)

decide: $(READY)  ## API, endpoint or own machine? One page for FILE=data/workloads/support_chat.toml
	@$(COURSE) decide $(or $(FILE),$(error Say which one, for example: make $@ FILE=data/workloads/support_chat.toml))

protect: $(READY)  ## Let git refuse commits that hold a token; UNDO=1 ends that
	@$(COURSE) protect $(if $(UNDO),--undo)

doctor:  ## Check this machine and print a report you can paste (needs no environment)
	@$(firstword $(wildcard .venv/bin/python) $(PYTHON)) -m course doctor

build: $(READY)  ## For authors: lessons/ -> notebooks/ and solutions/ (only what changed)
	@$(COURSE) build

lint: $(READY)  ## For authors: look at style and types, change nothing
	@$(COURSE) lint

format: $(READY)  ## For authors: lay out the code the one way
	@$(COURSE) format

bench: $(READY)  ## For authors: measure what must stay fast; FULL=1 measures `make test` too
	@FULL=$(FULL) .venv/bin/python -m tests.bench

bench-proxy: $(READY)  ## For authors: what the proxy costs, in a minute; FULL=1 for longer, LITELLM=1 beside it
	@FULL=$(FULL) LITELLM=$(LITELLM) .venv/bin/python -m tests.bench_proxy

faults: $(READY)  ## For authors: run four clients under every failure, write the table
	@.venv/bin/python -m tests.fault_matrix

live-check: $(READY)  ## For authors: compare the sandbox with Hugging Face itself (needs HF_TOKEN; CHAT=1)
	@CHAT=$(CHAT) .venv/bin/python -m tests.live_check

tiny-model: $(READY)  ## For authors: train the model of data/tiny-gpt2/ anew (minutes)
	@$(COURSE) tiny-model

lock:  ## For authors: requirements.txt -> requirements.lock (needs uv and the network)
	@uv pip compile --quiet --no-config --universal --python-version 3.11 --no-annotate \
	    --custom-compile-command "make lock" requirements.txt --output-file .lock.tmp
	@{ echo '# The full set that set-up installs, for Linux, macOS and Windows, Python 3.11 to 3.13. Left out: cuda-*, nvidia-*'; \
	   echo '# and triton. The CPU build of torch needs none of them; the default build brings the exact versions it wants.'; \
	   grep -vE '^(cuda-|nvidia-|triton)' .lock.tmp; } > requirements.lock; rm .lock.tmp

clean:  ## Remove what we built (environment, caches); never notebooks, progress or .env
	@rm -rf .venv .build .pytest_cache .mypy_cache .ruff_cache .hypothesis course/web/react/node_modules
	@find . -name __pycache__ -type d -not -path './notebooks/*' -not -path './.git/*' -prune -exec rm -rf {} +

# The stamp: younger than the lock means ready. Set-up looks closer (a hash) and finishes what was cut off.
$(READY): requirements.lock
	@$(PYTHON) -m course setup

engine = $(if $(ENGINE),--engine $(ENGINE)) $(if $(MODEL),--model $(MODEL))
needed = $(or $($(1)),$(error Say which one, for example: make $@ $(1)=01-2))
