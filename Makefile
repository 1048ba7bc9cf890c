# The two commands: make demo, make test. `make help` lists the rest.
SHELL := /bin/bash
ROOT := $(if $(filter 0,$(shell id -u)),,sudo -E)

.PHONY: help demo test test-rooms test-nights lint bench prove-2 prove-3 prove-4 prove-house prove-gate prove-safety setup lock schema clean

help:
	@echo "make demo     move SmallPayroll in the lab, from production to a launched instance; ends with the report's path"
	@echo "make test     every test: unit, lab, a whole migration, faults"
	@echo "make lint     ruff, mypy --strict and shellcheck"
	@echo "make bench    times and memory, as ratios"
	@echo "make prove-2  what the first release promises, a line each with figure and verdict"
	@echo "make prove-3  the whole article, a line each"
	@echo "make prove-4  rows, objects, files and pages proven to be the same, a line each"
	@echo "make prove-house  the rooms, and evidence that keeps its structure, a line each"
	@echo "make prove-gate   gates that ask everything at once, and readings that are judged again, a line each"
	@echo "make prove-safety production is never hurt, and never left shut, a line each"
	@echo "make clean    end the labs and forget their images"

setup:
	@.ci/setup demo

demo: setup
	@$(ROOT) .venv/bin/gonogo lab demo

# The migrations of tests/faults and tests/night wait for their hosts half of the time: the other tests run beside them.
test:
	@.ci/setup test
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory -j 2 test-rooms test-nights

test-rooms:
	@$(ROOT) .venv/bin/python -m pytest -q tests/unit tests/lab tests/sameness -n 2 --dist loadfile

test-nights:
	@$(ROOT) .venv/bin/python -m pytest -q tests/faults tests/night

lint:
	@.ci/setup test
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy
	@shellcheck $$(git ls-files '*.sh') $$(git grep -lE '^#!/(usr/)?bin/(env )?(ba)?sh' -- ':!*.sh')

bench:
	@.ci/setup test
	@$(ROOT) .venv/bin/python -m tests.bench

prove-safety:
	@.ci/setup test
	@$(ROOT) .venv/bin/python -m tests.prove.safety

prove-gate:
	@.ci/setup test
	@$(ROOT) .venv/bin/python -m tests.prove.gate

prove-house:
	@.ci/setup test
	@$(ROOT) .venv/bin/python -m tests.prove.house

prove-4:
	@.ci/setup test
	@$(ROOT) .venv/bin/python -m tests.prove.issue_4

prove-3:
	@.ci/setup test
	@$(ROOT) .venv/bin/python -m tests.prove.issue_3

prove-2:
	@.ci/setup test
	@$(ROOT) .venv/bin/python -m tests.prove.issue_2

lock:
	@.venv/bin/pip install -q pip-tools && .venv/bin/pip-compile -q --all-extras --generate-hashes --no-emit-index-url --no-emit-find-links --strip-extras --allow-unsafe -o requirements.lock pyproject.toml

schema:
	@.venv/bin/python -c "import json; from fixtures.plan import Plan; print(json.dumps(Plan.model_json_schema(), indent=1))" >docs/plan.schema.json

clean:
	@$(ROOT) .venv/bin/gonogo lab down --all --forget
