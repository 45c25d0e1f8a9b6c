# The control plane. Built in one stage, run in another that has neither pip's cache nor a compiler, as nobody in particular.
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /venv
COPY pyproject.toml README.md LICENSE ./
COPY src src
# The demo shows it, so it is part of the package.
COPY examples/cold_start examples/cold_start
RUN /venv/bin/pip install --no-cache-dir '.[control]'

FROM python:3.13-slim
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 18000 8080
ENTRYPOINT ["trimtab"]
CMD ["serve", "--listen", "0.0.0.0:18000", "--admin", "0.0.0.0:8080"]
