# One word a step. PYTHON is any Python from 3.10 on; everything else is made in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# The library that draws the report's viewer: too large for this repository, the same for everybody by its hash.
NIIVUE_VERSION := 0.69.0
NIIVUE_SHA256 := 47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af
NIIVUE := nnunet_amt/report/viewer/vendor/niivue.umd.js

# The viewer of DICOM objects that the tests open ours in, and what else they ask about them.
OHIF_VERSION := 3.13.2
OHIF_SHA256 := b189d3963bfc58e9394a9db8c7be75d07beb029ec211dbb126d47b62969dd3f1
OHIF := .ohif/dist/index.html
DICOM_PACKAGES := dicom3tools plastimatch dcmtk orthanc orthanc-dicomweb

.PHONY: demo viewer ohif test test-app test-slow test-browser test-clinic test-pacs chromium dicom-programs fuzz lint types format bench bench-speed clean help

help:  ## List the steps
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

demo: $(VENV)/installed  ## Make a phantom cohort and run every stage on it (10 to 20 minutes on 2 CPU cores)
	@test -f $(NIIVUE) || $(MAKE) --silent viewer >/dev/null 2>&1 || \
		echo "NiiVue was not fetched (make viewer says why): the report will show still pictures"
	$(BIN)/nnunet_amt demo

viewer: $(NIIVUE)  ## Fetch NiiVue with npm, for the report's viewer

# One process a core, each with the tests of whole files, as fixtures are shared within a file.
IN_PARALLEL := -n auto --dist loadfile

# The no-code page's tests stand apart, so that no step runs them a second time.
WITHOUT_APP := --ignore=tests/app --ignore-glob='tests/browser/test_app_*.py'

test: $(VENV)/installed-dev  ## Run the tests but for the slow ones, those in a browser and those of the no-code page (9 minutes on 2 CPU cores)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(IN_PARALLEL) $(WITHOUT_APP) -m "not slow and not real and not browser and not clinic and not timed"

test-app: $(VENV)/installed-browser chromium  ## Run the tests of the no-code page: its server, and every page in a headless Chromium
	@test -f $(NIIVUE) || $(MAKE) --silent viewer || echo "the tests of moving pictures skip"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(IN_PARALLEL) tests/app -m "not timed"
	$(BIN)/python -m pytest tests/browser/test_app_*.py -m "not timed"    # one browser and one server at a time

test-slow: $(VENV)/installed-dev  ## Run the tests that take more than ten seconds, and those on real CTs where these are there
	$(BIN)/python -m pytest $(WITHOUT_APP) -m "(slow or real) and not browser and not clinic"    # trainings take all cores by themselves

test-browser: $(VENV)/installed-browser chromium  ## Open the report in a headless Chromium; Debian's is installed where root may
	@test -f $(NIIVUE) || $(MAKE) --silent viewer || echo "the tests of moving pictures skip"
	$(BIN)/python -m pytest tests/browser $(WITHOUT_APP) -m "not timed and not clinic"

test-clinic: $(VENV)/installed-browser chromium dicom-programs  ## Have validators, other readers and OHIF look at our DICOM objects; Debian's are installed where root may
	@test -f $(OHIF) || $(MAKE) --silent ohif || echo "OHIF was not fetched; its tests skip"
	@test -x $(BIN)/segimage2itkimage || $(BIN)/python -m pip install --quiet dcmqi==1.5.7 || echo "no dcmqi for this machine; its tests skip"
	$(BIN)/python -m pytest -m clinic --ignore=tests/clinic/pacs

test-pacs: $(VENV)/installed-dev dicom-programs  ## Send to and fetch from an Orthanc of this machine, with passwords, TLS, cut wires and kills
	$(BIN)/python -m pytest tests/clinic/pacs -m clinic

# The tests run an Orthanc of their own on loopback; the service of Debian's package, which listens to all, is not to start.
dicom-programs:
	{ command -v dciodvfy && command -v plastimatch && command -v dsr2html && command -v Orthanc && \
		test -f /usr/share/orthanc/plugins/libOrthancDicomWeb.so; } >/dev/null || \
		{ test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq && \
		{ command -v Orthanc || ! command -v systemctl || systemctl mask orthanc; } >/dev/null 2>&1 && \
		RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $(DICOM_PACKAGES); } || \
		echo "not here, and cannot be installed (as root, on Debian or Ubuntu: apt-get install $(DICOM_PACKAGES)); the tests skip"

FUZZ_SECONDS ?= 60
fuzz: $(VENV)/installed-dev  ## Give the receiver random and damaged objects for a minute (FUZZ_SECONDS)
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m pytest tests/clinic/pacs/test_fuzz_objects.py

ohif: $(OHIF)  ## Fetch the OHIF viewer with npm, for make test-clinic (50 MB)

chromium:
	command -v chromium chromium-browser google-chrome google-chrome-stable >/dev/null || \
		{ test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium; } || \
		echo "no Chromium, and it cannot be installed here (as root, on Debian or Ubuntu: apt-get install chromium); the tests skip"

lint: $(VENV)/installed-dev  ## Check style, formatting, and which room imports which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/installed-dev  ## Check types
	$(BIN)/mypy

format: $(VENV)/installed-dev  ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/installed-dev .bench-venv/installed  ## Time the conversion against its floor, the evaluation against its peers
	$(BIN)/python -m benchmarks.bench_conversion
	$(BIN)/python -m benchmarks.bench_evaluation
	$(BIN)/python -m benchmarks.bench_intervals
	$(BIN)/python -m pytest -m timed    # the report of 164 cases and the table of 711, where make test-browser has installed a browser

bench-speed: $(VENV)/installed  ## Time training and prediction against default nnU-Net, on the GPU if there is one
	$(BIN)/python -m benchmarks.bench_training --folder .bench-speed --json .bench-speed/training.json
	$(BIN)/python -m benchmarks.bench_prediction --folder .bench-speed --json .bench-speed/prediction.json
	$(BIN)/python -m benchmarks.bench_network

clean:  ## Remove the environments
	rm -rf $(VENV) .bench-venv .bench-speed .ohif

$(VENV)/installed: setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or later is needed, this is " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --editable '.[dicom,app]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --editable '.[dicom,app,dask,pacs,dev]'
	$(BIN)/python -m pip install --editable '.[risk]' || echo "no C compiler? The tests of radiomics skip"
	@touch $@

$(VENV)/installed-browser: $(VENV)/installed-dev
	$(BIN)/python -m pip install --editable '.[browser]'
	@touch $@

$(NIIVUE):
	@command -v npm >/dev/null || { echo "npm is needed to fetch NiiVue; it comes with Node.js" >&2; exit 1; }
	mkdir -p $(@D)
	cd $(@D) && npm pack --silent --fetch-retries=1 @niivue/niivue@$(NIIVUE_VERSION)
	tar -xzOf $(@D)/niivue-niivue-$(NIIVUE_VERSION).tgz package/dist/niivue.umd.js > $@.partial
	rm $(@D)/niivue-niivue-$(NIIVUE_VERSION).tgz
	$(PYTHON) -c 'import hashlib, pathlib, sys; sys.exit(hashlib.sha256(pathlib.Path("$@.partial").read_bytes()).hexdigest() != "$(NIIVUE_SHA256)" and "$@ has another hash than NiiVue $(NIIVUE_VERSION)")'
	mv $@.partial $@

$(OHIF):
	@command -v npm >/dev/null || { echo "npm is needed to fetch OHIF; it comes with Node.js" >&2; exit 1; }
	rm -rf .ohif && mkdir .ohif
	cd .ohif && npm pack --silent --fetch-retries=1 @ohif/app@$(OHIF_VERSION)
	$(PYTHON) -c 'import hashlib, pathlib, sys; sys.exit(hashlib.sha256(pathlib.Path(".ohif/ohif-app-$(OHIF_VERSION).tgz").read_bytes()).hexdigest() != "$(OHIF_SHA256)" and ".ohif has another hash than OHIF $(OHIF_VERSION)")'
	mkdir .ohif/partial && tar -xzf .ohif/ohif-app-$(OHIF_VERSION).tgz -C .ohif/partial --strip-components=1
	rm .ohif/ohif-app-$(OHIF_VERSION).tgz
	mv .ohif/partial/dist .ohif/dist && rm -r .ohif/partial
	@touch $@

# panoptica wants older libraries than nnU-Net, so it lives in an environment of its own.
.bench-venv/installed:
	test -x .bench-venv/bin/python || $(PYTHON) -m venv .bench-venv
	.bench-venv/bin/python -m pip install panoptica SimpleITK
	@touch $@
