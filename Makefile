# make demo    set up, restore a short clip, then rehearse the large networks on random weights
# make test    set up, then lint, types and tests
# make audit   ask the package index for known vulnerabilities of the locked packages
# make lock    resolve requirements/*.txt anew (needs uv)
# make clean   remove what these made

# paddle2onnx 2.1.0 has no builds for later ones. PYTHON=... names another.
FITS := import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))
PYTHON ?= $(firstword $(foreach name,python3 python3.12 python3.11,\
	$(shell $(name) -c '$(FITS)' >/dev/null 2>&1 && echo $(name))))
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
DEMO := demo
LOCK := uv --config-file requirements/uv.toml pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --custom-compile-command 'make lock' --constraint requirements/measured.txt

.PHONY: demo test audit lock clean

# First a restoration, by the networks that come with reel, and before and after side by side. Then a rehearsal
# of the three large networks at full size; what is small is the clip, and the square that DeOldify looks at.
demo: .venv/export.installed
	$(BIN)/python scripts/make_clip.py $(DEMO)/film.mp4 --size 160x120 --frames 24 --fps 12
	$(BIN)/reel-run $(DEMO)/film.mp4 -o "$(CURDIR)/$(DEMO)/film-restored.mp4" --store $(DEMO)/store \
		--compare --overwrite
	$(BIN)/reel-export --rehearsal --store $(DEMO)/store dain deoldify edvr
	$(BIN)/python scripts/make_clip.py $(DEMO)/rehearsal.mp4 --frames 4
	$(BIN)/reel-run $(DEMO)/rehearsal.mp4 -o "$(CURDIR)/$(DEMO)/rehearsal-restored.mp4" --store $(DEMO)/store \
		--order deoldify dain edvr --render-factor 8 --overwrite

test: .venv/test.installed .venv/bindings.installed
	PYTHON=$(BIN)/python scripts/check

# Every hash is checked and nothing is resolved: pip installs the files named, and no others.
.venv/%.installed: requirements/%.txt pyproject.toml | $(BIN)/python
	$(PIP) install --no-deps --require-hashes --requirement $<
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

# TensorRT's Python bindings of every version that the code is compared with, without the libraries: 4 MB.
.venv/bindings.installed: $(wildcard requirements/bindings/*.txt) | $(BIN)/python
	$(foreach file,$^,$(PIP) install --quiet --no-deps --require-hashes --upgrade \
		--target .venv/bindings/$(notdir $(basename $(file))) --requirement $(file) &&) touch $@

$(BIN)/python:
	@$(or $(PYTHON),false) -c '$(FITS)' || { \
		echo 'Exporting needs Python 3.11 or 3.12. Name one: make PYTHON=/path/to/python3.12 ...' >&2; exit 1; }
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

# In an environment of its own: pip-audit has packages that reel does not need.
audit: | $(BIN)/python
	$(BIN)/python -m venv .venv/audit
	.venv/audit/bin/python -m pip --disable-pip-version-check install --quiet pip-audit
	.venv/audit/bin/pip-audit --strict --no-deps --disable-pip \
		$(foreach name,run export test,--requirement requirements/$(name).txt)

# test.txt is resolved first and constrains the others: one version of everything.
lock:
	$(LOCK) --extra export --extra test --output-file requirements/test.txt \
		pyproject.toml requirements/build.in requirements/export.in
	$(LOCK) --constraint requirements/test.txt --extra export --output-file requirements/export.txt \
		pyproject.toml requirements/build.in requirements/export.in
	$(LOCK) --constraint requirements/test.txt --output-file requirements/run.txt \
		pyproject.toml requirements/build.in
	$(LOCK) --constraint requirements/test.txt --extra export --extra test --extra bench \
		--output-file requirements/bench.txt pyproject.toml requirements/build.in requirements/export.in
	$(LOCK) --constraint requirements/test.txt --override requirements/without-onnxruntime.in \
		--extra export --extra cuda --output-file requirements/nvidia.txt \
		pyproject.toml requirements/build.in requirements/export.in
	$(LOCK) --constraint requirements/test.txt --output-file requirements/gpu.txt requirements/gpu.in

clean:
	rm -rf .venv demo
