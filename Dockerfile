# The hub as an image: wheels from the lock file with their hashes, no build tools, no root, nothing written to itself.
#   docker build -t single-state-hub .
#   docker build -t single-state-hub-demo --build-arg EXTRAS="embedded demo" .     with what the demo apps need
# What it writes goes to /var/lib/hub (a volume; only the embedded store does) and /tmp: run it with --read-only --tmpfs /tmp.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
ARG EXTRAS="embedded"
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY pyproject.toml requirements.lock README.md LICENSE deploy/image/locked.py ./
# Only wheels: whatever would have to be compiled stops the build here, and no package runs code of its own.
RUN python locked.py --project ${EXTRAS} > run.lock \
 && python locked.py hatchling > make.lock \
 && pip download --require-hashes --only-binary :all: --no-deps -d wheels -r run.lock \
 && pip install --require-hashes --only-binary :all: --no-deps -r make.lock
COPY hub hub
COPY client_js client_js
COPY demo_apps demo_apps
RUN pip wheel --no-build-isolation --no-deps --no-index -w wheels . \
 && python -m venv --without-pip /opt/hub \
 && pip --python /opt/hub/bin/python install --no-index --no-deps wheels/*.whl \
 && ln -s "$(/opt/hub/bin/python -I -c 'from hub import resources; print(resources.find("demo_apps"))')" /opt/hub/demo \
 && /opt/hub/bin/hub --version

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="single-state-hub" org.opencontainers.image.licenses="MIT"
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/hub --shell /usr/sbin/nologin hub \
 && install -d -o hub -g hub -m 0700 /var/lib/hub
COPY --from=build /opt/hub /opt/hub
ENV PATH=/opt/hub/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp HUB_DATA_DIR=/var/lib/hub
USER 10001:10001
WORKDIR /etc/hub
VOLUME /var/lib/hub
EXPOSE 8000
# Ready means: the store answers and the feed delivers. A node that drains is not.
HEALTHCHECK --interval=5s --timeout=4s --start-period=20s --retries=3 CMD ["python", "-c", "import http.client, sys; hub = http.client.HTTPConnection('127.0.0.1', 8000, timeout=3); hub.request('GET', '/readyz'); sys.exit(hub.getresponse().status != 200)"]
ENTRYPOINT ["hub"]
CMD ["serve", "--bind", "0.0.0.0:8000"]
