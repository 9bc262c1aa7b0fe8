# One node of the gateway. Configuration and secrets are mounted; the image holds neither.
FROM python:3.11-slim AS build
RUN pip install --no-cache-dir 'uv>=0.13,<0.14'
WORKDIR /src
COPY . .
ENV UV_PROJECT_ENVIRONMENT=/opt/gateway UV_LINK_MODE=copy
RUN uv sync --frozen --no-default-groups --extra postgres --extra fast --no-editable

FROM python:3.11-slim
COPY --from=build /opt/gateway /opt/gateway
ENV PATH=/opt/gateway/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
RUN useradd --system --uid 10001 --home-dir /var/lib/gateway --create-home gateway
USER 10001
WORKDIR /var/lib/gateway
EXPOSE 8420
ENTRYPOINT ["gateway"]
CMD ["run"]
