# One image for migrate, ingest, alerts and the API; the command chooses. TypeScript runs as it is, so nothing is built.
FROM node:26.10.0-slim

ENV NODE_ENV=production
WORKDIR /app

# Optional packages are the embedded engine and hub of `npm start`, which a server does not need. Not `npm ci`: it
# refuses a lock file that lacks the optional packages of another platform.
COPY package.json package-lock.json ./
RUN npm install --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund && npm cache clean --force

COPY tsconfig.json ./
COPY common common
COPY clickhouse clickhouse
COPY migrations migrations
COPY ingest ingest
COPY alerts alerts
COPY api api
COPY docs/runbook.md docs/runbook.md

USER node
CMD ["node", "api/main.ts"]
