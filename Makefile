# Everything a developer does with this checkout; `make help` lists it. Needs Python 3.11+, make and git, nothing else.

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

PYTHON := .venv/bin/python
SAM := .venv-sam/bin/sam
SCHEMA_TESTS := tests/integration/schema tests/integration/migrations
export PYTHONPATH := layers/parley

# Hashes and versions only: where packages come from is the machine's business.
LOCK := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
  --no-header --no-emit-index-url $(ARGS)

# $(call environment,FOLDER,REQUIREMENTS): have the environment; nothing is printed when it is up to date.
environment = python=$$(sh local/python.sh $(3)) && "$$python" local/environment.py $(1) $(2)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## Serve everything at http://127.0.0.1:3000 (PORT=...) with an embedded Postgres, or DATABASE_URL
	@echo "[1/4] python environment"
	@$(call environment,.venv,local)
	@exec $(PYTHON) -m local run --parent $$PPID

.PHONY: test
test: .development $(if $(ARGS),,.sam .clients) ## The whole suite (ARGS="tests/unit -k name" for a part of it)
ifdef ARGS
	@$(PYTHON) -m pytest $(ARGS)
else
	@echo "the schema on PostgreSQL 16"
	@PARLEY_TEST_POSTGRES=16 $(PYTHON) -m pytest -q -n 2 --dist loadfile $(SCHEMA_TESTS)
	@echo "everything on PostgreSQL 18"
	@$(PYTHON) -m pytest -n 2 --dist loadfile --cov --cov-fail-under=90
endif

.PHONY: lint
lint: .development .sam .templates ## ruff, mypy --strict, import contracts, sqlfluff, cfn-lint, checkov, sam validate
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports --no-cache
	$(PYTHON) -m local.openapi --check
	.venv/bin/sqlfluff lint schema
	$(PYTHON) -m local.template_checks .venv-templates
	SAM_CLI_TELEMETRY=0 $(SAM) validate --lint

.PHONY: contract
contract: .local .contract ## Try docs/openapi.json with schemathesis and a generated client, against a run of its own
	@$(PYTHON) -m local.contract .venv-contract

.PHONY: openapi
openapi: .development ## Generate docs/openapi.json from the routes
	@$(PYTHON) -m local.openapi

.PHONY: lock
lock: .development ## Resolve requirements/ from pyproject.toml (ARGS=--upgrade for the newest)
	$(LOCK) pyproject.toml -o requirements/runtime.txt
	$(LOCK) pyproject.toml --group local -o requirements/local.txt
	$(LOCK) pyproject.toml --group local --group development -o requirements/development.txt
	$(LOCK) --group sam -o requirements/sam.txt
	$(LOCK) --group contract -o requirements/contract.txt
	$(LOCK) --group templates -o requirements/templates.txt
	$(LOCK) --group ministack -o requirements/ministack.txt
	$(LOCK) --group clients -o requirements/clients.txt

.PHONY: build
build: ## sam build, as it is deployed (needs Python 3.13)
	@sh local/python.sh 3.13 >/dev/null
	@$(call environment,.venv-sam,sam,3.13)
	PATH="$$(dirname "$$(sh local/python.sh 3.13)"):$$PATH" SAM_CLI_TELEMETRY=0 $(SAM) build

.PHONY: deploy
deploy: .local ## Build, and create or update a stack: make deploy ENV=dev (samconfig.toml has the environments)
	@architecture=$$($(PYTHON) -m local deployment architecture "$(ENV)") && $(MAKE) build ARCHITECTURE=$$architecture
	@$(PYTHON) -m local deployment deploy "$(ENV)"

.PHONY: deploy-local
deploy-local: build .local .ministack ## Deploy to an AWS emulated on this machine, until Ctrl-C (CHECK=1: check it and end)
	@exec $(PYTHON) -m local deployment local $(if $(CHECK),--check)

.PHONY: secrets
secrets: .local ## Make the secrets that an environment lacks: make secrets ENV=dev DATABASE_URL=... OPENAI_API_KEY=...
	@$(PYTHON) -m local deployment secrets "$(ENV)"

.PHONY: rotate
rotate: .local ## Give a secret another value: make rotate ENV=dev SECRET=logins (or jwt, provider-keys)
	@$(PYTHON) -m local deployment rotate "$(ENV)" "$(SECRET)"

.PHONY: redrive
redrive: .local ## Have what a queue gave up tried again: make redrive ENV=dev QUEUE=work (or usage)
	@$(PYTHON) -m local deployment redrive "$(ENV)" "$(QUEUE)"

.PHONY: undeploy
undeploy: .local ## Delete a stack, but for its data and keys: make undeploy ENV=dev STACK=parley-dev
	@$(PYTHON) -m local deployment undeploy "$(ENV)" "$(STACK)"

.PHONY: sam-local
sam-local: build .local ## Serve the API with `sam local start-api` (needs a container runtime)
	@exec $(PYTHON) -m local sam $(SAM)

.PHONY: test-deployed
test-deployed: build .development .ministack ## The stack's tests, on one that is made for them: created, asked, updated, rolled back, deleted
	@$(PYTHON) -m pytest --deployed tests/e2e/api tests/e2e/deployed $(ARGS)

.PHONY: prove
prove: build .development .clients ## Run every benchmark at full size and write docs/proofs.md (ARGS="quota" for some)
	@$(PYTHON) -m local prove $(ARGS)

.PHONY: migrate
migrate: .local ## Apply schema/ to DATABASE_URL, to the embedded database, or by hand to a stack's (ENV=dev)
	@$(PYTHON) -m local $(if $(ENV),deployment migrate "$(ENV)",migrate)

.PHONY: token
token: .local ## Print a token: make token USER=ada ORG=acme ROLE=admin
	@$(PYTHON) -m local token "$(USER)" "$(ORG)" "$(ROLE)"

.PHONY: interview
interview: .local ## Hold a whole interview with an emulated candidate, against a running `make run` (ARGS="--language sv")
	@$(PYTHON) -m local interview $(ARGS)

.PHONY: invoke
invoke: .local ## Run a function once: make invoke NAME=usage_reset (EVENT=events/usage_reset.json)
	@$(PYTHON) -m local invoke "$(NAME)" "$(or $(EVENT),events/$(NAME).json)"

.PHONY: psql
psql: .local ## Open psql on DATABASE_URL, or on the embedded database
	@exec $(PYTHON) -m local psql

.PHONY: clean
clean: ## Remove environments, builds, caches and the embedded database, unless a stack runs
	@python=$$(sh local/python.sh) && "$$python" local/in_use.py
	@rm -rf .venv .venv-sam .venv-contract .venv-ministack .venv-templates .venv-clients \
	  requirements/node/node_modules .parley .aws-sam .coverage .coverage.* .hypothesis .import_linter_cache \
	  .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: .local .development .sam .contract .ministack .templates .clients
.local:
	@$(call environment,.venv,local)

.development:
	@$(call environment,.venv,development)

.sam:
	@$(call environment,.venv-sam,sam)

.contract:
	@$(call environment,.venv-contract,contract)

.templates:
	@$(call environment,.venv-templates,templates)

.clients:
	@$(call environment,.venv-clients,clients)
	@if command -v npm >/dev/null && ! cmp -s requirements/node/package-lock.json requirements/node/node_modules/.lock; then \
	  npm ci --prefix requirements/node --silent --no-audit --no-fund --fetch-retries=1 --fetch-timeout=60000 && \
	  cp requirements/node/package-lock.json requirements/node/node_modules/.lock || \
	  echo "npm could not install the clients in Node: their tests are skipped"; fi

.ministack:
	@$(call environment,.venv-ministack,ministack,3.13)
