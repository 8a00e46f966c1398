# The bundle and its one native dependency. Data is in /data; the port is open to others, so a password must be set:
#   docker build -t roundtable .
#   docker run -p 8283:8283 -v roundtable:/data -e LETTA_SERVER_SECURE=true -e LETTA_SERVER_PASSWORD=… roundtable
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build

FROM node:24-slim
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8283 DATABASE_URL=file:/data/roundtable.db
COPY --from=build /app/package.json ./
COPY --from=build /app/dist ./dist
COPY --from=build /app/migrations ./migrations
COPY --from=build /app/node_modules/better-sqlite3 ./node_modules/better-sqlite3
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 8283
# What runs may take to end after SIGTERM is within the 10 seconds that Docker waits.
CMD ["node", "--max-semi-space-size=16", "--v8-pool-size=1", "--heap-growing-percent=200", "dist/roundtable.js"]
