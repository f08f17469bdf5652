# One image for the server, the worker and the command line client; the command decides which runs.

FROM node:26.10-bookworm-slim AS build
WORKDIR /app
ENV pnpm_config_store_dir=/pnpm/store
RUN npm install --global pnpm@12.21.0
# The lock file is all it takes to download, so a change of the code downloads nothing.
COPY pnpm-lock.yaml pnpm-workspace.yaml ./
RUN --mount=type=cache,id=pnpm,target=/pnpm/store pnpm fetch
COPY . .
RUN --mount=type=cache,id=pnpm,target=/pnpm/store pnpm install --offline --frozen-lockfile && pnpm build

FROM node:26.10-bookworm-slim
WORKDIR /app
# The bundles need no package, only to be known as ES modules.
RUN mkdir bin && echo '{ "type": "module" }' > package.json \
    && ln -s ../server/main.js bin/event-server \
    && ln -s ../worker/main.js bin/event-worker \
    && ln -s ../client/main.js bin/event
COPY --chmod=755 --from=build /app/apps/server/dist server
COPY --chmod=755 --from=build /app/apps/worker/dist worker
COPY --chmod=755 --from=build /app/apps/client/dist client
COPY deploy/health-check.mjs ./
RUN install --directory --owner=node --group=node /data
ENV NODE_ENV=production NODE_OPTIONS=--enable-source-maps PATH=/app/bin:$PATH
ENV HOST=0.0.0.0 STORE_URL=sqlite:/data/events.db
USER node
STOPSIGNAL SIGTERM
EXPOSE 50051
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["node", "/app/health-check.mjs"]
CMD ["event-server"]
