# The README's two commands. Each makes .venv when it is missing, installs, and then does its work.
PYTHON ?= python3

.PHONY: demo test test-fast install benchmarks nlp docs

# Real captions where somebody has prepared them, else sentences of our own grammar.
TEXT = $(if $(wildcard data/multi30k/bpe-5000-joined/corpus.json),multi30k --bpe 5000,grammar)

# slipcover costs a twentieth of the tests' time, coverage.py four fifths.
COVERAGE = --source shared_optim,workload,rl,nlp,vision,lm,suite --skip-covered \
	--missing-width 40

install: .venv/installed

demo: .venv/installed
	.venv/bin/python -m suite demo rl
	.venv/bin/python -c 'import fairseq' 2>/dev/null >&2 || { \
		echo "Translation is left out: fairseq is not installed; see \`make nlp\`."; exit 0; } && \
	.venv/bin/python -m suite demo nlp --data $(TEXT)
	.venv/bin/python -m suite demo vision
	.venv/bin/python -m suite demo lm

CHECKS = .venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy && .venv/bin/lint-imports
PYTEST = pytest -n 2 --dist loadfile --no-loadscope-reorder

test: .venv/installed
	@echo "A quarter of an hour on two cores; \`make test-fast\` takes two minutes."
	$(CHECKS)
	.venv/bin/python -m slipcover $(COVERAGE) -m $(PYTEST)

# Of every area what is quick; before a commit.
test-fast: .venv/installed
	@echo "Two minutes on two cores; \`make test\` has all of them."
	$(CHECKS)
	.venv/bin/python -m $(PYTEST) --fast

benchmarks: .venv/installed
	for name in optimizer quantiles replay environment agent recorder preparation batch report \
		vision start; do \
		.venv/bin/python -m tests.benchmarks.$$name || exit; done

# build/site, for any web server; opened as a file it has no search. A link that leads nowhere is an error.
docs: .venv/docs-installed
	.venv/bin/python -m scripts.command_pages
	NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict
	@echo build/site/index.html

.venv/docs-installed: .venv/installed
	.venv/bin/python -m pip install --constraint constraints.txt --editable '.[docs]'
	touch $@

# What translation needs, where .venv/installed went on without it.
nlp: .venv/installed
	nlp/install_fairseq.sh .venv/bin/python

.venv/installed: pyproject.toml constraints.txt nlp/install_fairseq.sh
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' || { \
		echo "wdbench needs Python 3.11 or 3.12: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --constraint constraints.txt --editable '.[batch,dev,lm,nlp]'
	@nlp/install_fairseq.sh .venv/bin/python || echo "Going on without translation; \`make nlp\` tries again."
	touch $@
