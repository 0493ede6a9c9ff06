# What the layers' Makefiles share. `sam build` runs them in a copy of the layer's folder, but calls them by their own
# path, which is how they find the checkout.

ROOT := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))/..)

# The functions' processor (parameter Architecture of template.yaml): x86_64 or arm64.
ARCHITECTURE ?= x86_64

# Bytecode belongs to one minor version of Python, so the one that compiles has to be the one of template.yaml.
PYTHON_VERSION := 3.13
PYTHON ?= $(shell for python in $(ROOT)/.venv/bin/python $(ROOT)/.venv-sam/bin/python python$(PYTHON_VERSION) python3; do \
  $$python -c 'import sys, pip; sys.exit("%d.%d" % sys.version_info[:2] != "$(PYTHON_VERSION)")' 2>/dev/null \
  && echo $$python && break; done)

# SAM strips bytecode, Lambda's disk is read-only and its zip dates every file 1980: without this, every cold start would
# compile every module. Paths are recorded as they will be on Lambda.
define compile
$(PYTHON) -m compileall -q -j 2 --invalidation-mode unchecked-hash -s $(ARTIFACTS_DIR) -p /opt $(ARTIFACTS_DIR)/python
endef

.PHONY: python
python:
	@test -n "$(PYTHON)" || { echo "needs Python $(PYTHON_VERSION) with pip (PYTHON=/path/to/python3.13)" >&2; exit 1; }
