# `make sync` and `make test` need Python 3.10 to 3.14 with venv, git and make. `make help` lists the rest.
PYTHON ?= python3
BIN := .venv/bin
INSTALL = @command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON). Choose a Python from 3.10 to 3.14: make $@ PYTHON=python3.12"; exit 1; }; \
  $(PYTHON) requirements/install.py

.PHONY: help sync doctor report test test-cdks test-all test-slow lint unit integration old-cdk cloud-cdk python313 install faults stress audit \
  bench docs-test dbt-test metadata-test image-test no-code lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

sync: ## read an account (secrets/config.json), else the sandbox, into a DuckDB file; SYNC="--help" lists the options
	$(INSTALL) sync
	@$(BIN)/python -m source_clevertap.sync $(SYNC)

doctor: ## check the connector's assumptions on your account (secrets/config.json); docs/doctor.md
	$(INSTALL) sync
	@$(BIN)/python -m source_clevertap.doctor $(or $(DOCTOR),--config secrets/config.json --report report.json)

report: ## run the dbt models on the DuckDB file of make sync and write report.html; REPORT="--help" lists the options
	$(INSTALL) report
	@.venv-report/bin/python -m source_clevertap.report $(REPORT)

test: install ## lint, unit and integration tests: takes some minutes
	@$(BIN)/python .ci/suites.py

test-cdks: install ## the tests for other CDKs (7.10.0 of Airbyte 2.1, 7.23.8 of Cloud) and Python 3.13
	@$(BIN)/python .ci/suites.py old-cdk cloud-cdk python313

test-all: install ## make test, make test-cdks and the slow tests
	@$(BIN)/python .ci/suites.py --all

test-slow: install ## only the slow tests
	@$(BIN)/python .ci/suites.py --slow

lint unit integration old-cdk cloud-cdk python313: install ## one suite of make test or make test-cdks
	@$(BIN)/python .ci/suites.py $@

install: ## create the environment of the tests
	$(INSTALL) dev

faults: install ## read with each fault of the sandbox, with both manifests; FAULTS="-k no_code"
	$(BIN)/python -m pytest -n 2 -v integration_tests/test_faults.py $(FAULTS)

stress: install ## run the stress tests; STRESS="--seed 1 --sequences 10000" or STRESS=--share
	$(BIN)/python -m integration_tests.stress $(STRESS)

audit: install ## list licenses, known vulnerabilities and a bill of materials of the image
	$(INSTALL) audit
	.venv-audit/bin/python .ci/audit.py

bench: install ## compare the speed with other clients
	$(INSTALL) quickhouse
	$(BIN)/python -m benchmarks $(BENCH)

docs-test: install ## run the commands in the documents (PyAirbyte: Python below 3.13)
	$(INSTALL) pyairbyte
	.venv-pyairbyte/bin/python -m pytest -q integration_tests/docs.py

dbt-test: install ## test dbt/ on DuckDB and Postgres, and the report in Chromium (apt-get install postgresql chromium)
	$(INSTALL) dbt
	$(BIN)/python -m pytest -vs integration_tests/dbt_package.py integration_tests/report_page.py

metadata-test: ## run Airbyte's checks of metadata.yaml and docs/clevertap.md (Python 3.11, 3.12)
	$(INSTALL) metadata
	.venv-metadata/bin/python integration_tests/metadata.py

image-test: install ## build and test the image with buildah
	integration_tests/image-test

no-code: install ## generate no_code/manifest.yaml from manifest.yaml
	$(BIN)/python -m no_code.derive

lock: install ## generate requirements/*.txt from the .in files
	cd requirements && for name in sync dev old-cdk cloud-cdk run pyairbyte quickhouse audit report dbt; do \
	  ../$(BIN)/uv pip compile -q --universal --python-version 3.10 --generate-hashes \
	    --no-emit-index-url --no-header --no-strip-extras $$name.in -o $$name.txt || exit 1; done; \
	../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-strip-extras metadata.in -o metadata.txt

clean: ## remove environments and builds
	rm -rf .venv* build dist .tmp .cache
