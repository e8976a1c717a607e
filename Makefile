# `make demo` does the main job from nothing; `make test` runs the whole suite; `make soak` and `make fuzz` what takes
# too long for it.
# Each sets up .venv itself.

# The newest Python for which gensim has wheels, or any newer one, unless PYTHON names one.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3.14 python3; do \
	if "$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info)' 2>/dev/null; then echo "$$name"; break; fi; done)
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= out
SOAKED := $(addprefix tests/,test_faults.py training/test_checkpoint.py test_same_answer.py test_sequences.py tables/test_csv.py \
	tables/test_writer.py hostile/test_row_law.py labelling/test_label_journal.py serve/test_label_page.py)

.PHONY: demo test test-without-gensim coverage soak fuzz mutants survivors lint types clean

demo: $(VENV)/installed
	@mkdir -p $(OUT)
	$(BIN)/textclf train data/reviews-train.csv -o $(OUT)/sentiment.safetensors --report $(OUT)/training.html
	$(BIN)/textclf evaluate $(OUT)/sentiment.safetensors data/reviews-test.csv --report $(OUT)/report.html --errors $(OUT)/errors.csv
	$(BIN)/textclf predict $(OUT)/sentiment.safetensors "A film that stays with you." "The battery died after a week."
	$(BIN)/textclf predict $(OUT)/sentiment.safetensors -i data/reviews-test.csv -o $(OUT)/labelled.csv
	@echo "Written to $(OUT)/: the model, report.html (open it in a browser), errors.csv and labelled.csv."

# On all cores; one that is done takes over tests of another.
test: $(VENV)/installed-test
	$(BIN)/python -m pytest -n logical --dist worksteal

# Which lines and branches no test runs, children's included.
coverage: $(VENV)/installed-test
	-$(BIN)/python -m coverage run -m pytest -n logical --dist worksteal
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

# What takes long: 200 kills, every stop of every training, the grid of 144, 16 threads of 4,000 predictions, 500 lives of
# a model, 56,000 tables.
soak: $(VENV)/installed-test
	TEXTCLF_SOAK=1 $(BIN)/python -m pytest $(SOAKED)

# Minutes to hours: every byte, every flip, the longest texts ($(CASES) names some: make fuzz CASES=M08); damaged files,
# 4,000 of each format; then atheris, in an environment of its own, for a minute on each reader.
fuzz: mutants $(VENV)/installed-fuzz
	$(BIN)/python -m pytest tests/hostile -m long_running -k "$(CASES)"
	for target in vectors model csv jsonl tokenizer request; do $(VENV)-fuzz/bin/python tests/fuzz.py $$target 60 || exit 1; done

mutants: $(VENV)/installed-test
	$(BIN)/python benchmarks/mutants.py

# Changes of the readers' code that no test notices: an hour or more.
survivors: $(VENV)/installed-test
	$(BIN)/python benchmarks/survivors.py

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# As on Python 3.14, where there is no gensim.
test-without-gensim: $(VENV)/installed-test
	PYTHONPATH=tests/without_gensim $(BIN)/python -m pytest -n logical --dist worksteal

types: $(VENV)/installed-test
	$(BIN)/mypy
	$(BIN)/mypy --platform win32
	$(BIN)/mypy --platform darwin

$(VENV)/bin/python:
	@if [ -z "$(PYTHON)" ]; then echo "make: expected Python 3.11 or later, found none. Install one, or run make PYTHON=/path/to/python." >&2; exit 1; fi
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[report]'
	@touch $@

$(VENV)/installed-test: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@ $(VENV)/installed

# atheris has wheels up to Python 3.13; it is no dependency of the package or of its tests.
$(VENV)/installed-fuzz: $(VENV)/bin/python pyproject.toml
	$(PYTHON) -m venv $(VENV)-fuzz
	$(VENV)-fuzz/bin/python -m pip install --quiet --editable ".[serve]" atheris
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-fuzz $(OUT) .coverage* dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
