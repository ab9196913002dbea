# Parley in a container: one process, not as root, on a root file system that may be read-only.
#
# `npm run image-check` builds it with buildah, on a base made of Debian's packages and Node under the name
# of the image below, and runs it: as process 1, as the user `node`, on a read-only root. NOT TRIED in a
# container engine, nor on the published image of Node. Podman and buildah need `--format docker`, or
# they leave out the HEALTHCHECK.

# The build stage has the compilers and everything else that only the build needs.
FROM node:22-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
# Prisma's command line, its studio and their dependencies come as optional peers: over half of the size,
# and no server loads them.
RUN npm run build && npm prune --omit=dev --omit=optional

FROM node:22-slim
ENV NODE_ENV=production DATA_DIR=/data
WORKDIR /app
# Everything belongs to root and is only read; the data folder is the only place to write.
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY --from=build /build/openapi ./openapi
COPY --from=build /build/prisma/migrations ./prisma/migrations
# The rules of the built-in engine.
COPY --from=build /build/src/engine/builtin/brain ./src/engine/builtin/brain
RUN mkdir /data && chown node:node /data && chmod 700 /data
USER node
VOLUME /data
EXPOSE 3000
# SIGTERM lets requests finish for at most SHUTDOWN_GRACE_SECONDS (30): give `docker stop` more (-t 40).
STOPSIGNAL SIGTERM
# Checks that the process is alive. The proxy checks whether it can serve (/api/v1/health/ready).
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["node", "-e", "require(process.env.TLS_CERT_FILE ? 'https' : 'http').get({ host: '127.0.0.1', port: process.env.PORT || 3000, path: '/api/v1/health', rejectUnauthorized: false }, (answer) => process.exit(answer.statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
# Without npm in between, so that the server itself receives the signals.
CMD ["node", "dist/src/main.js"]
