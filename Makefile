# The commands of a fresh clone: `make demo` and `make test` need Python 3.11 to 3.13, git and make, nothing else.

PYTHON ?= python3
# For `make demo`: more words for `hrbridge run`.
ARGS ?=
# For the tests: more words for pytest, and how many processes share the work (0: all in one, as a debugger wants it).
PYTEST_ARGS ?=
WORKERS ?= 2

VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt
PYTEST := $(VENV)/bin/python -m pytest
# What the whole suite needs from outside: program=Debian package.
TOOLS := mosquitto=mosquitto mosquitto_sub=mosquitto-clients openssl=openssl dbus-daemon=dbus node=nodejs npm=npm espeak-ng=espeak-ng chromium=chromium tmux=tmux systemd-analyze=systemd systemd-nspawn=systemd-container pkcheck=polkitd

.PHONY: demo test check lint bench proof radio tools clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed-demo
	@$(VENV)/bin/hrbridge run $(ARGS)

# Virtual time only.
test: $(VENV)/.installed-test tools
	$(PYTEST) -n $(WORKERS) --dist loadfile -m "not proof and not radio" --ignore tests/benchmarks $(PYTEST_ARGS)

check: lint test

lint: $(VENV)/.installed-test
	$(VENV)/bin/ruff format --check hrbridge tests
	$(VENV)/bin/ruff check hrbridge tests
	$(VENV)/bin/mypy --strict hrbridge

# pytest ends with 5 when there is nothing to run.
bench: $(VENV)/.installed-test tools
	@$(PYTEST) -s tests/benchmarks $(PYTEST_ARGS) || { [ $$? -eq 5 ] && echo "make bench: there is nothing to measure yet"; }

proof: $(VENV)/.installed-test tools
	@$(PYTEST) -m proof --ignore tests/benchmarks $(PYTEST_ARGS) || { [ $$? -eq 5 ] && echo "make proof: no test needs wall-clock time yet"; }

# In a virtual machine, which the program in HRBRIDGE_RADIO_VM boots.
radio: $(VENV)/.installed-test
	$(PYTEST) -m radio tests/radio $(PYTEST_ARGS)

clean:
	rm -rf $(VENV) dist build .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find hrbridge tests -name __pycache__ -prune -exec rm -rf {} +

# Editable, so that what is tested is what stands here.
$(VENV)/.installed-demo: pyproject.toml constraints.txt | $(VENV)/.created
	@echo "Installing hrbridge into $(VENV) ..."
	@$(PIP) --editable '.[embedded,files,web]'
	@touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt | $(VENV)/.created
	@echo "Installing hrbridge and its test tools into $(VENV); the first time takes a minute ..."
	@$(PIP) --editable '.[test]'
	@touch $@

# Debian keeps ensurepip in a package of its own.
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "$(PYTHON) is not Python 3.11, 3.12 or 3.13; name one that is: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || .ci/apt-install python3-venv
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# Debian keeps mosquitto outside the path of ordinary users.
tools:
	@PATH="$$PATH:/usr/sbin:/usr/local/sbin"; missing=; \
	for tool in $(TOOLS); do command -v "$${tool%=*}" >/dev/null || missing="$$missing $${tool#*=}"; done; \
	[ -z "$$missing" ] || .ci/apt-install $$missing
