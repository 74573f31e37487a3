# One image for every role: `IMAGE master`, `worker`, `run`, `nightly`, `report`, `simulate`, `gpu-exporter`, ...
# Targets: `swarm`, without what only a report needs, for workers, simulator and GPU exporter; `full`, the default.
# BASE is any Linux with Python 3.11 or newer and its venv, of the architecture to run on.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

# Versions and hashes come from the lock file, wheels only: no compiler is needed. Where packages do not come from PyPI,
# a pip configuration is given as the build secret `pip`; it is in no layer.
FROM ${BASE} AS built
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1
RUN python3 -m venv /opt/venv
COPY requirements-image.lock /app/
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    /opt/venv/bin/python -m pip install --quiet --only-binary :all: --require-hashes -r /app/requirements-image.lock \
    && cd /opt/venv/lib/python3*/site-packages && rm -rf pyarrow/include && find . -type d -name tests -prune -exec rm -rf {} +
COPY . /app
RUN /opt/venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --no-index --editable /app

FROM built AS lean
RUN /opt/venv/bin/python -m pip uninstall --quiet --yes altair genai-prices narwhals pandas scipy vl-convert-python xlsxwriter

# Compiled files say nothing of when: the same sources make the same bytes. The installers stay behind.
FROM lean AS lean-compiled
RUN python3 -m compileall -qq --invalidation-mode unchecked-hash /opt/venv/lib /app \
    && rm -rf /opt/venv/lib/python3*/site-packages/pip* /opt/venv/lib/python3*/site-packages/setuptools* /opt/venv/bin/pip*
FROM built AS full-compiled
RUN python3 -m compileall -qq --invalidation-mode unchecked-hash /opt/venv/lib /app \
    && rm -rf /opt/venv/lib/python3*/site-packages/pip* /opt/venv/lib/python3*/site-packages/setuptools* /opt/venv/bin/pip*

FROM ${BASE} AS runnable
ENV PYTHONUNBUFFERED=1 HOME=/tmp
WORKDIR /app
USER 10001:10001
ENTRYPOINT ["/opt/venv/bin/tokenswarm"]
CMD ["--help"]

FROM runnable AS swarm
COPY --from=lean-compiled /opt/venv /opt/venv
COPY --from=lean-compiled /app /app

FROM runnable AS full
COPY --from=full-compiled /opt/venv /opt/venv
COPY --from=full-compiled /app /app
