// graphile-worker on an empty database of the PostgreSQL that is given: jobs of an empty task, claimed
// one at a time by so many at once, each claim and each completion a durable commit.
//
//     node graphile.mjs SOCKET_FOLDER USER JOBS CONCURRENCY
//
// Prints one JSON object with jobs per second, from the first claim to the last completion.

import { once } from "node:events";
import pg from "pg";
import { EventEmitter } from "node:events";
import { Logger, makeWorkerUtils, run } from "graphile-worker";

const [socket, user, jobs, concurrency] = process.argv.slice(2);
const database = "graphile";
const place = { host: socket, user };

const maintenance = new pg.Client({ ...place, database: "postgres" });
await maintenance.connect();
await maintenance.query(`DROP DATABASE IF EXISTS ${database}`);
await maintenance.query(`CREATE DATABASE ${database}`);

const pgPool = new pg.Pool({ ...place, database, max: Number(concurrency) + 2 });
const quiet = new Logger(() => () => {});
const utils = await makeWorkerUtils({ pgPool, logger: quiet });
await utils.migrate();
await pgPool.query("SELECT graphile_worker.add_job('nothing') FROM generate_series(1, $1)", [jobs]);
await pgPool.query("ANALYZE");

let left = Number(jobs);
const events = new EventEmitter();
const done = new EventEmitter();
let begun;
events.on("job:start", () => { begun ??= process.hrtime.bigint(); });
events.on("job:complete", () => { left -= 1; if (left === 0) done.emit("done", process.hrtime.bigint()); });
const ended = once(done, "done");
const runner = await run({
    pgPool,
    concurrency: Number(concurrency),
    pollInterval: 100,
    noHandleSignals: true,
    logger: quiet,
    events,
    taskList: { nothing: async () => {} },
});
const [end] = await ended;
await runner.stop();
await utils.release();
await pgPool.end();
await maintenance.query(`DROP DATABASE ${database}`);
await maintenance.end();
console.log(JSON.stringify({ jobs_per_s: Number(jobs) / (Number(end - begun) / 1e9) }));
