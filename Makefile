# make demo and make test each work alone in a fresh clone: they make .venv, install, and run.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
DATA ?= ../shared/data
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-firefox test-lowest live lint docs screenshots bench clean help

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 14

demo: .venv/demo models/sample/config.json ## train on the synthetic sample, without network, and serve it
	$(BIN)/python space/app.py

models/sample/config.json: | .venv/demo
	$(BIN)/python train.py --data sample --out models/sample

test: .venv/dev .venv/browser ## run every test
	$(BIN)/python -m pytest -n 2

test-firefox: .venv/dev ## try the Space in Firefox: the system's, or the one that Playwright brings
	command -v firefox-esr || command -v firefox || $(BIN)/playwright install firefox
	PYTHONPATH=tests/space/firefox $(BIN)/python -m pytest -n 0 tests/space/firefox/smoke.py

test-lowest: .venv/browser ## run every test on the lowest versions that pyproject.toml allows, in .venv-lowest
	test -x .venv-lowest/bin/python || $(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet -c constraints-lowest.txt -e '.[dev]'
	.venv-lowest/bin/python -m pytest -n 2 -m "not developed"

live: .venv/dev ## the round trips with the real Hub; HF_TOKEN is that of an account for tests
	HF_CF_LIVE=1 $(BIN)/python -m pytest tests/live

lint: .venv/dev ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/docs ## build the site of the docs into site/
	$(BIN)/python -m mkdocs build --strict

screenshots: .venv/dev .venv/browser models/sample/config.json ## draw the pictures of the Space for the README
	PYTHONPATH=tests/space $(BIN)/python docs/draw_space.py

# ranking_accuracy.py, rating_accuracy.py and cold_start_peers.py are not among them: the libraries that
# they compare with pin older versions, and need environments of their own.
bench: .venv/bench ## measure accuracy and speed (some hours), and write benchmarks/results
	$(BIN)/python benchmarks/bench_training.py --data $(DATA)
	$(BIN)/python benchmarks/bench_training.py --data $(DATA) --speed
	$(BIN)/python benchmarks/bench_novelty.py --data $(DATA)/ml-100k
	$(BIN)/python benchmarks/bench_cold_start.py --data $(DATA)/ml-100k $(DATA)/ml-latest-small
	$(BIN)/python benchmarks/bench_questions.py --data $(DATA)/ml-100k $(DATA)/ml-latest-small
	$(BIN)/python benchmarks/bench_recommend.py
	$(BIN)/python benchmarks/retrieval.py
	$(BIN)/python benchmarks/solver_speed.py
	$(BIN)/python benchmarks/loading.py $(DATA)/ml-latest-small
	$(BIN)/python benchmarks/scaling.py
	$(BIN)/python benchmarks/spark_local.py
	$(BIN)/python benchmarks/hub.py $(DATA)/ml-100k
	$(BIN)/python benchmarks/space_api.py $(DATA)/ml-100k
	PYTHONPATH=tests/space $(BIN)/python benchmarks/space_browser.py $(DATA)/ml-100k
	PYTHONPATH=tests/space $(BIN)/python benchmarks/space_slow_network.py $(DATA)/ml-latest-small
	$(BIN)/python benchmarks/title_search.py
	$(BIN)/python benchmarks/new_items.py $(DATA)/ml-100k $(DATA)/ml-latest-small --out benchmarks/results/new_items.md
	$(BIN)/python benchmarks/bayesian_accuracy.py --data $(DATA) --out benchmarks/results/bayesian_accuracy.md

clean: ## remove what the other commands made
	rm -rf .venv .venv-lowest build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis models

# The pages are tested in Chromium: the system's, or the one that Playwright brings.
.venv/browser: | .venv/dev
	test -x /usr/bin/chromium || $(BIN)/playwright install chromium
	touch $@

# torch comes first, by itself: with it in place, nothing else asks for another build of it.
.venv/python: constraints.txt
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("hf_cf needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(PIP) torch
	touch $@

.venv/%: .venv/python pyproject.toml constraints.txt
	$(PIP) -e '.[$*]'
	touch $@
