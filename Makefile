# `make sync` and `make test` need Python 3.10 or newer, git and make. Everything lands in .venv*/.
PYTHON ?= python3
BIN := .venv/bin
OLD := .venv-old-cdk/bin

.PHONY: install sync test lint unit integration old-cdk python313 faults trust audit bench docs-test image-test \
  no-code lock clean

install: $(BIN)/source-clevertap

$(BIN)/source-clevertap: requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

# --- read an account, or the sandbox, into a DuckDB file (PyAirbyte needs Python below 3.13)
sync: $(BIN)/.sync
	$(BIN)/python -m source_clevertap.sync $(SYNC)

$(BIN)/.sync: requirements/sync.txt $(BIN)/source-clevertap
	$(BIN)/python -m pip install -q --require-hashes -r requirements/sync.txt
	@touch $@

# --- tests: lint first, then the suites two at a time
test: lint $(OLD)/.installed
	$(MAKE) -j2 --output-sync unit integration old-cdk python313

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: install
	$(BIN)/python -m pytest -q unit_tests

integration: install
	$(BIN)/python -m pytest -q integration_tests

# The same on the CDK of older Builders, in an environment of its own.
OLD_CDK_TESTS := unit_tests $(addprefix integration_tests/test_,builder.py faults.py no_code.py standard.py)
old-cdk: $(OLD)/.installed
	$(OLD)/python -m pytest -q -o cache_dir=.cache/old-cdk $(OLD_CDK_TESTS)

$(OLD)/.installed: requirements/old-cdk.txt
	$(PYTHON) -m venv .venv-old-cdk
	$(OLD)/python -m pip install -q --require-hashes -r requirements/old-cdk.txt
	@touch $@

# Airbyte's image runs Python 3.13: the unit tests run on it where there is one.
python313:
	.ci/python313

# --- longer than `make test`
faults: install
	$(BIN)/python -m integration_tests.faults $(FAULTS)

# Machines that try hard to lose a row: TRUST="--seed 1 --sequences 10000", or TRUST=--share
trust: install
	$(BIN)/python -m integration_tests.trust $(TRUST)

# Licences, known vulnerabilities and a bill of materials of what the image installs.
audit: install .venv-audit/bin/.installed
	.venv-audit/bin/python .ci/audit.py

.venv-audit/bin/.installed: requirements/audit.txt
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install -q --require-hashes -r requirements/audit.txt
	@touch $@

bench: install .venv-quickhouse/bin/.installed
	$(BIN)/python -m benchmarks $(BENCH)

.venv-quickhouse/bin/.installed: requirements/quickhouse.txt
	$(PYTHON) -m venv .venv-quickhouse
	.venv-quickhouse/bin/python -m pip install -q --require-hashes -r requirements/quickhouse.txt
	@touch $@

# What the documents say, typed (needs PyAirbyte).
docs-test: $(BIN)/.sync
	$(BIN)/python -m pytest -q integration_tests/docs.py

image-test: install
	integration_tests/image-test

# --- maintenance
no-code: install
	$(BIN)/python -m no_code.derive

lock: install
	cd requirements && for name in sync dev old-cdk run quickhouse audit; do \
	  ../$(BIN)/uv pip compile -q --universal --python-version 3.10 --generate-hashes \
	    --no-emit-index-url --no-header --no-strip-extras $$name.in -o $$name.txt || exit 1; done

clean:
	rm -rf .venv* build dist .tmp .cache
