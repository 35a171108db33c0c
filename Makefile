# `make sync` and `make test` need Python 3.10 to 3.14 with venv, git and make. `make help` lists the rest.
PYTHON ?= python3
BIN := .venv/bin
INSTALL = @command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON). Name a Python from 3.10 to 3.14: make $@ PYTHON=python3.12"; exit 1; }; \
  $(PYTHON) requirements/install.py

.PHONY: help sync doctor questions test test-all test-slow lint unit integration old-cdk python313 install faults stress audit \
  bench docs-test metadata-test image-test no-code lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

sync: ## read an account (secrets/config.json), or else the sandbox, into a DuckDB file; SYNC="--help" for options
	$(INSTALL) sync
	@$(BIN)/python -m source_clevertap.sync $(SYNC)

doctor: ## check on your account (secrets/config.json) what the connector takes for granted; docs/doctor.md
	$(INSTALL) sync
	@$(BIN)/python -m source_clevertap.doctor $(or $(DOCTOR),--config secrets/config.json --report report.json)

questions: ## print what examples/questions.sql answers of the DuckDB file that make sync wrote
	$(INSTALL) sync
	@$(BIN)/python -m source_clevertap.questions $(QUESTIONS)

test: install ## lint, unit and integration tests, the old CDK, Python 3.13: some minutes
	@$(BIN)/python .ci/suites.py

test-all: install ## all of make test, and what takes longer
	@$(BIN)/python .ci/suites.py --all

test-slow: install ## only what make test-all adds
	@$(BIN)/python .ci/suites.py --slow

lint unit integration old-cdk python313: install ## one suite of make test
	@$(BIN)/python .ci/suites.py $@

install: ## the environment of the tests
	$(INSTALL) dev

faults: install ## every fault of the sandbox against the command line, as a table
	$(BIN)/python -m integration_tests.stress.fault_matrix $(FAULTS)

stress: install ## stress tests; STRESS="--seed 1 --sequences 10000", or STRESS=--share
	$(BIN)/python -m integration_tests.stress $(STRESS)

audit: install ## licences, known vulnerabilities and a bill of materials of what the image installs
	$(INSTALL) audit
	.venv-audit/bin/python .ci/audit.py

bench: install ## speed beside other clients, as ratios
	$(INSTALL) quickhouse
	$(BIN)/python -m benchmarks $(BENCH)

docs-test: install ## what the documents say, typed (PyAirbyte: Python below 3.13)
	$(INSTALL) pyairbyte
	.venv-pyairbyte/bin/python -m pytest -q integration_tests/docs.py

metadata-test: ## metadata.yaml and docs/clevertap.md by Airbyte's own checks that run offline (Python 3.11, 3.12)
	$(INSTALL) metadata
	.venv-metadata/bin/python integration_tests/metadata.py

image-test: install ## the image, built with buildah
	integration_tests/image-test

no-code: install ## no_code/manifest.yaml, made anew from manifest.yaml
	$(BIN)/python -m no_code.derive

lock: install ## requirements/*.txt, made anew from the .in files
	cd requirements && for name in sync dev old-cdk run pyairbyte quickhouse audit; do \
	  ../$(BIN)/uv pip compile -q --universal --python-version 3.10 --generate-hashes \
	    --no-emit-index-url --no-header --no-strip-extras $$name.in -o $$name.txt || exit 1; done; \
	../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-strip-extras metadata.in -o metadata.txt

clean: ## remove what was installed and built
	rm -rf .venv* build dist .tmp .cache
