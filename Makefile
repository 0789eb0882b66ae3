# The verbs of this project. Everything is made inside the checkout: .venv for the project, .tools for SAM
# CLI and MiniStack, which have environments of their own so that a Lambda sees its layer and nothing else.

PYTHON ?= python3
UV := .venv/bin/uv
RUN := .venv/bin/python
# Some containers forbid it: then each of the hundred processes that the tests start compiles all that it imports.
export PYTHONDONTWRITEBYTECODE :=
# "another" when PYTHON is named and .venv was made by another version.
ANOTHER := $(if $(filter-out file,$(origin PYTHON)),$(shell test ! -x $(RUN) || { \
	version='import sys; print(sys.version_info[:2])'; test "$$($(RUN) -c "$$version")" = "$$($(PYTHON) -c "$$version")"; \
	} 2>/dev/null || echo another))

.PHONY: help demo up cloud cloud-down cloud-demo cloud-upgrade sam-local test test-all test-lambda lambda snapshot check format requirements \
	openapi studio pictures install tools clean \
	another check-types check-template check-rules check-imports check-lint check-format check-studio \
	check-deployment

help:                        ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

# Before anything is installed, so that the demo tells how long all of it took.
demo: STARTED_AT := $(shell date +%s)
demo: .venv/.runs             ## one video, from a request to an MP4 and pretended posts
	@$(RUN) -m sandbox.demo --started-at $(STARTED_AT)

up: .venv/.runs               ## the whole product on this machine; OPTIONS="--port 4700"
	@$(RUN) -m mediaposter up $(OPTIONS)

cloud: install tools         ## the template and stand-ins on an emulator of AWS
	$(RUN) -m sandbox.cloud_up up

cloud-down: install          ## end a cloud that was left behind
	$(RUN) -m sandbox.cloud_up down

cloud-demo: install tools    ## the demo on that cloud
	$(RUN) -m sandbox.cloud_demo

cloud-upgrade: install tools ## update a stack of the last release with videos under way, on that cloud; by hand
	MEDIAPOSTER_UPGRADE=released $(RUN) -m pytest tests/integration/test_upgrade.py

sam-local: install tools     ## every function in a container of Python 3.13, by podman; by hand, as root
	$(RUN) -m sandbox.sam_local

test: install tools          ## every test, in three processes, and those of "make lambda"
	@$(MAKE) --no-print-directory --jobs 2 test-all test-lambda

test-all:
	$(RUN) -m pytest --numprocesses 3 --no-loadscope-reorder

# It tells at its end, or its lines would stand among those of the others.
test-lambda:
	@mkdir -p .local
	@$(RUN) -m checks.lambda_runtime > .local/lambda.txt 2>&1; status=$$?; cat .local/lambda.txt; exit $$status

lambda: install              ## handlers with their layers, and tests, on Python 3.13
	$(RUN) -m checks.lambda_runtime

snapshot: install tools      ## deploy the template once, for all clouds and tests here
	$(RUN) -m sandbox.snapshot

check: install               ## format, lint, types, imports, template, generated files
	@$(MAKE) --no-print-directory --keep-going --jobs 2 check-types check-template check-rules check-imports check-lint check-format \
	  check-studio check-deployment
check-types:
	$(RUN) -m mypy
check-template:
	.venv/bin/cfn-lint template.yaml
check-rules:
	$(RUN) -m checks
check-imports:
	.venv/bin/lint-imports --no-logo
check-lint:
	$(RUN) -m ruff check .
check-format:
	$(RUN) -m ruff format --check .

check-studio: studio/node_modules/.installed
	$(RUN) -m checks.studio

# What other tools say of the template and of the pages' commands, each in an environment of its own.
check-deployment: .tools/sam/.installed .tools/parliament/.installed tools/jsonata/node_modules/.installed
	$(RUN) -m checks.commands
	$(RUN) -m checks.iam
	$(RUN) -m checks.jsonata

format: install              ## put the code into the project's format
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

requirements: install        ## write the requirements of the layers and the tools
	$(RUN) -m checks.requirements --write

openapi: install             ## write docs/openapi.json from the resolvers
	$(RUN) -m checks.openapi --write

studio: studio/node_modules/.installed   ## build functions/studio/studio.html from studio/
	$(RUN) -m checks.studio --write

pictures: install            ## take the pictures of README and docs/studio.md
	$(RUN) -m sandbox.pictures

install: .venv/.installed
tools: .tools/ministack/.installed .tools/sam/.installed
# LiteLLM calls our API, and the vendors' SDKs call the stand-ins: each in an environment of its own, for tests only.
# Other tests are of checks that call parliament and the reference implementation of JSONata.
test: .tools/litellm/.installed .tools/mcp/.installed .tools/sdks/.installed
test: .tools/parliament/.installed tools/jsonata/node_modules/.installed

# What runs the product. The tools of development are three times as much.
.venv/.runs: pyproject.toml uv.lock tools/uv.txt $(ANOTHER)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "MediaPoster needs Python 3.11 or newer; name one with make PYTHON=python3.x"; exit 1; }
	$(if $(ANOTHER),rm -rf .venv)
	@echo "Installing what is needed into .venv, once. With an empty cache that takes about a minute."
	@test -x $(RUN) || $(PYTHON) -m venv .venv
	@test -x $(UV) || $(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r tools/uv.txt
	@$(UV) sync --quiet --frozen --inexact --no-dev --group demo --extra aws
	@touch $@

.venv/.installed: .venv/.runs
	@echo "Installing the tools of development."
	@$(UV) sync --quiet --frozen
	@touch $@

.tools/%/.installed: tools/%.txt .venv/.installed
	$(UV) venv --quiet --clear --python $(RUN) .tools/$*
	$(UV) pip install --quiet --python .tools/$*/bin/python --require-hashes -r tools/$*.txt
	@touch $@

# What builds the studio; its Node.js comes from PyPI.
studio/node_modules/.installed: studio/package.json studio/package-lock.json .tools/node/.installed
	$(RUN) -m checks.studio --install
	@touch $@

# The reference implementation of JSONata.
tools/jsonata/node_modules/.installed: tools/jsonata/package.json tools/jsonata/package-lock.json .tools/node/.installed
	$(RUN) -m checks.jsonata --install
	@touch $@

clean:                       ## remove what was made, but the videos in .local/data
	rm -rf .venv .tools studio/node_modules tools/jsonata/node_modules .aws-sam .local/cloud .demo
