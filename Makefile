# nullsender: `make help` says what there is.
SHELL := /bin/bash
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help install dev up up-kafka test check lint types layers fix chaos fuzz bench bench-lookup bench-reading fixtures docs lock clean

##@ Use
help: ## show this
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile
install: ## put everything that running needs into .venv, the command `nullsender` included
	@setup/venv run
up: install ## set up and start everything on one machine (SMTP 127.0.0.1:2525, HTTP 127.0.0.1:8080)
	@command -v curl >/dev/null || setup/packages curl || true # for the lines that it gives you to try
	@exec $(BIN)/nullsender up
up-kafka: install ## the same on a real Kafka and PostgreSQL, which it fetches and starts (data in data-kafka/)
	@command -v curl >/dev/null || setup/packages curl || true
	@exec setup/up-kafka

##@ Develop
dev: ## install what tests and checks need as well
	@setup/venv dev
test: dev check ## set up, then run lint, types, layers and every test
	@# A folder of its own: two runs at once, each of which tidies up after earlier ones, would trip over each other.
	@folder=$$(mktemp -d) && { $(BIN)/python -m pytest -n auto --dist loadgroup --basetemp="$$folder/tests" tests; code=$$?; rm -rf "$$folder"; exit $$code; }
check: lint types layers ## lint, types and layers
lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
types: dev
	$(BIN)/mypy
layers: dev
	$(BIN)/lint-imports
chaos: dev ## kill roles and connections for FAULTS_MINUTES (10), at moments that FAULTS_SEED chooses, and look for losses
	FAULTS_MINUTES=$${FAULTS_MINUTES:-10} $(BIN)/python -m pytest -k any_moment tests/test_faults_*.py
fuzz: dev ## look for mail that breaks reading for FUZZ_MINUTES (10), from FUZZ_SEED; what it finds stays in fixtures/hostile
	$(BIN)/python -m tests.fuzz --minutes $${FUZZ_MINUTES:-10} $${FUZZ_SEED:+--seed $$FUZZ_SEED}
fix: dev ## format, and mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
bench: dev ## run every benchmark and print its table (minutes)
	@for bench in bench/[a-z]*.py; do echo; $(BIN)/python -m "bench.$$(basename "$$bench" .py)" || exit 1; done
bench-lookup: dev ## how quickly "may I send?" is answered, beside nginx and Redis (minutes; needs root; LOOKUP="--only single batch")
	$(BIN)/python -m bench.lookup $(LOOKUP)
bench-reading: dev ## how well and how quickly mail is understood, beside Sisimai (CORPUS=folder of labelled mail)
	@setup/packages perl libsisimai-perl
	$(BIN)/python -m bench.reading $(CORPUS)
fixtures: dev ## let real MTAs write their bounces into fixtures/mail (minutes; needs root)
	$(BIN)/python -m tests.mtas.collect
docs: dev ## write the pages that are generated from code
	$(BIN)/python -m nullsender.cli.pages
lock: ## pin every dependency anew (needs uv)
	requirements/compile
clean: ## remove what was built and cached (not data/)
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage api/*/__pycache__
