# The two commands of the README: `make demo` and `make test`. Each makes .venv if it is missing.
# PYTHON       which Python makes the environment (3.11 to 3.13)
# TORCH_INDEX  where torch comes from; the package index's own wheels for Linux carry CUDA, a CPU build lies elsewhere:
#              make demo TORCH_INDEX=ADDRESS
PYTHON ?= python3
TORCH_INDEX ?=
VENV ?= .venv
BIN := $(VENV)/bin
TORCH := $(shell sed -n 's/^torch==//p' constraints.txt)

.PHONY: demo test install lint perf demo-checkpoint demo-pack miniature example-board clean

demo: $(VENV)/.installed
	$(BIN)/cpbench run --model demo --out runs/demo $(DEMO_FLAGS)

test: $(VENV)/.tested
	$(BIN)/python -m pytest -n 2 $(TEST_FLAGS)

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

install: $(VENV)/.installed

# torch is installed first and alone, and only where there is none: a user's own build is never replaced.
$(VENV)/.installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "cpbench needs Python 3.11 to 3.13; this is $$($(PYTHON) -V). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import torch' 2>/dev/null \
		|| $(BIN)/python -m pip install --quiet torch==$(TORCH) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	@grep -v '^torch==' constraints.txt > $(VENV)/constraints.txt
	@$(BIN)/python -c 'import torch; print("torch==" + torch.__version__)' 2>/dev/null >> $(VENV)/constraints.txt
	$(BIN)/python -m pip install --quiet --constraint $(VENV)/constraints.txt --editable .
	@touch $@

# Remakes the packaged checkpoint: speaks the training part (needs espeak-ng) and trains on it.
demo-checkpoint: $(VENV)/.installed
	$(BIN)/cpbench train --config demo --data synthetic --out benchmark/checkpoints/demo --overwrite

# The source paper's variants in small; MINIATURE_FLAGS=--quick to see that it works.
miniature: $(VENV)/.installed
	$(BIN)/cpbench miniature --out runs/miniature $(MINIATURE_FLAGS)

# Makes the packaged example board again; RUNS="NAME=FOLDER ..." adds runs of --tasks demo that are there already.
example-board: $(VENV)/.installed
	$(BIN)/python -m cpbench.leaderboard.example.make --out leaderboard/example $(RUNS)

# The packaged pack on which judges are validated: the answers of eight systems or more of three families to the demo,
# RUNS="runs/a runs/b ...", each made by `cpbench run --tasks demo`. Text only, gzipped, and under 3 MB.
demo-pack: $(VENV)/.installed
	@test -n "$(RUNS)" || { echo 'make demo-pack RUNS="runs/a runs/b ..."; docs/judge-validate.md says how the systems are made'; exit 1; }
	$(BIN)/cpbench judge pack $(RUNS) --out judges/validity/packs/demo --compress
	@test $$(cat judges/validity/packs/demo/* | wc -c) -lt 3000000 || { echo "the pack is larger than 3 MB"; exit 1; }

# Measures the figures of docs/performance.md, and writes its table. PERF_FLAGS=tests/performance/test_engine.py measures
# one file again: the figures of the others stay. It needs an idle machine, and the clips of EmoDB beside the checkout.
PERF_FLAGS ?= tests/performance
PERF_OUT := runs/performance.jsonl
perf: $(VENV)/.tested
	@mkdir -p $(dir $(PERF_OUT))
	@$(if $(filter tests/performance,$(PERF_FLAGS)),rm -f $(PERF_OUT))
	CPBENCH_PERF_OUT=$(PERF_OUT) $(BIN)/python -m pytest -m performance -s $(PERF_FLAGS); status=$$?; \
		$(BIN)/python tests/performance/table.py $(PERF_OUT) docs/performance.md && exit $$status

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache

$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint $(VENV)/constraints.txt --editable '.[dev]'
	@$(BIN)/python -m pip install --quiet --constraint $(VENV)/constraints.txt --editable '.[world]' >$(VENV)/world.log 2>&1 \
		|| echo "pyworld cannot be built here ($(VENV)/world.log says why): the tests of the condition flat are skipped"
	@touch $@
