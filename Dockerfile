# Onward with its apps: `docker build -t onward .`, then `docker run --env-file config.env onward` for the loader, or
# `docker run onward run APP` for any other. Settings and passwords come from the environment, none is in the image.

FROM python:3.12.6-slim-bookworm AS build
WORKDIR /build
COPY pyproject.toml README.md ./
COPY src src
RUN python -m venv /opt/onward \
    && /opt/onward/bin/pip install --no-cache-dir --disable-pip-version-check '.[http,metrics,nats,objects,postgres]'

FROM python:3.12.6-slim-bookworm
RUN useradd --uid 10001 --create-home --home-dir /srv/onward onward
COPY --from=build /opt/onward /opt/onward
ENV PATH=/opt/onward/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ONWARD_STORE=sqlite:////srv/onward/store.db \
    METRICS=0.0.0.0:9000
USER 10001
WORKDIR /srv/onward
VOLUME /srv/onward
EXPOSE 9000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/live', timeout=3)"]
ENTRYPOINT ["onward"]
CMD ["orders", "--health", "127.0.0.1:8080"]
