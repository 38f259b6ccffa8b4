# The door for a first visit; after it, `.venv/bin/reprun` is the program.
.DEFAULT_GOAL := help
PYTHON ?= python3
REPRUN := .venv/bin/reprun

.PHONY: help
help:
	@echo "make h4l        set up what is missing, then reproduce the CMS H->4l result"
	@echo "make test       set up what is missing, then run the whole test suite"
	@echo "make test-fast  the unit tests that are not slow: a minute on two cores"
	@echo "make test-oldest  the executor's tests on the oldest Snakemake allowed"
	@echo "make test-reflinks  files shared on real XFS and Btrfs (root, loop devices; not in CI)"
	@echo "make images     build every image twice and compare with its lock"
	@echo "make images-everywhere  build columnar under Python 3.11, 3.12 and 3.13, as two users;"
	@echo "                name them with PYTHONS='…', other images with IMAGES='…'"
	@echo "make lint       ruff and mypy"
	@echo "make docs       the documentation as a site: open build/site/index.html"
	@echo "make tutorial   the answers in docs/tutorial.md, from its commands: look at the difference"
	@echo "make schemas    the pages and schemas in docs that are made from the code"
	@echo "make reana-campaign  50 submissions in a row and 1 GB up and down, on the test server (20 min)"
	@echo "make hostile-workspaces  10,000 workspaces as a hostile step leaves them (some minutes)"
	@echo "make kill-campaign  1,000 kills at random moments; STRIKES='…' SEED='…' (an hour)"
	@echo "make attack-campaign  every attack of the tests against every engine (half an hour)"
	@echo "make benchmark  print speeds as ratios (docs: benchmarks/README.md)"
	@echo "make benchmark-dimuon  event loops on 5 million events (some minutes)"
	@echo "make fuzz       damaged and hostile files for every reader, an hour; ROUNDS='…' SEED='…'"
	@echo "make clean      remove the environment and build products, not the store"

.PHONY: setup
setup:
	@PYTHON=$(PYTHON) tools/setup run

.PHONY: setup-test
setup-test:
	@PYTHON=$(PYTHON) tools/setup test

.PHONY: h4l
h4l: setup
	@$(REPRUN) run cms-h4l --relock-images

.PHONY: test
test: setup-test
	@.venv/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile

.PHONY: test-fast
test-fast: setup-test
	@env -u PYTHONDONTWRITEBYTECODE .venv/bin/python -m pytest -n 2 --dist worksteal -m "not slow" tests/unit

# The oldest Snakemake that pyproject.toml allows: its job class is not a published interface.
.PHONY: test-oldest
test-oldest: setup-test
	@$(PYTHON) -m venv build/oldest
	@build/oldest/bin/pip install --quiet -e . pytest hypothesis snakemake==9.22.0
	@build/oldest/bin/python -m pytest tests/integration/test_executor.py

.PHONY: test-reflinks
test-reflinks: setup-test
	@tools/test-reflinks

.PHONY: images
images: setup
	@$(REPRUN) images check

# A Python that is not there is an error: nothing is skipped. Not in CI, which has one Python.
PYTHONS ?= python3.11 python3.12 python3.13
IMAGES ?= columnar
.PHONY: images-everywhere
images-everywhere: setup
	@for image in $(IMAGES); do $(REPRUN) images fetch $$image; done
	@PYTHONS="$(PYTHONS)" .venv/bin/python tools/images-everywhere $(IMAGES)

.PHONY: lint
lint: setup-test
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy

.PHONY: docs
docs: setup-test
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build

.PHONY: schemas
schemas: setup
	@.venv/bin/python -m tools.schemas
	@.venv/bin/python -m tools.exit_codes
	@.venv/bin/python -m tools.limits
	@.venv/bin/python -m tools.identity
	@.venv/bin/python -m tools.glossary

.PHONY: tutorial
tutorial: setup-test
	@.venv/bin/python -m tests.integration.tutorial "$$(mktemp -d)"

.PHONY: reana-campaign
reana-campaign: setup-test
	@.venv/bin/python benchmarks/reana.py

.PHONY: hostile-workspaces
hostile-workspaces: setup-test
	@.venv/bin/python -m tests.hostile_workspaces 10000

STRIKES ?= 1000
.PHONY: attack-campaign
attack-campaign: setup-test
	@REPRUN_TEST_ALL_ATTACKS=1 .venv/bin/python -m pytest tests/integration/test_attacks.py

.PHONY: kill-campaign
kill-campaign: setup-test
	@.venv/bin/python -m tests.kill_campaign $(STRIKES) $(SEED)

.PHONY: benchmark
benchmark: setup-test
	@.venv/bin/python benchmarks/run.py
	@.venv/bin/python benchmarks/matrix.py
	@.venv/bin/python benchmarks/data.py
	@.venv/bin/python benchmarks/trees.py
	@.venv/bin/python benchmarks/compare.py --histcmp build/histcmp

.PHONY: benchmark-dimuon
benchmark-dimuon: setup-test
	@.venv/bin/python benchmarks/dimuon.py

# The same seed gives the same files; those that go wrong are kept in build/fuzz.
ROUNDS ?= 100000
SEED ?= 1
.PHONY: fuzz
fuzz: setup-test
	@.venv/bin/python -m tests.fuzz --rounds $(ROUNDS) --seed $(SEED) --keep build/fuzz

.PHONY: clean
clean:
	rm -rf .venv build dist results
