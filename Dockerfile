# The HTTP service. Build it in a checkout, and give it a folder of models:
#     docker build -t textclf .
#     docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
#         -p 127.0.0.1:8000:8000 -v "$PWD/models:/models:ro" textclf /models/sentiment.safetensors
FROM python:3.13-slim AS build
COPY pyproject.toml README.md LICENSE /src/
COPY models/starter.bin.gz /src/models/
COPY textclf /src/textclf
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir "/src[serve]"

FROM python:3.13-slim
RUN useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin textclf
COPY --from=build /venv /venv
ENV PATH="/venv/bin:$PATH" PYTHONDONTWRITEBYTECODE=1
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
# Exec form: SIGTERM reaches the service itself, which ends the requests that are begun and leaves.
ENTRYPOINT ["textclf", "serve", "--host", "0.0.0.0", "--port", "8000"]
CMD ["--help"]
