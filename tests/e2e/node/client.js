// A client process with stock grpc-js and grpc-js-xds: told what to call in JSON lines, as calling.py is.
"use strict";

const readline = require("node:readline");
const { setTimeout: sleep } = require("node:timers/promises");
const grpc = require("@grpc/grpc-js");

require("@grpc/grpc-js-xds").register();

const WHO = "/echo.Echo/Who";
const CALL_TIMEOUT_MS = 20_000;
const pass = (bytes) => bytes;

const clients = new Map();
const loads = new Map();

function clientOf(target) {
  if (!clients.has(target)) {
    clients.set(target, new grpc.Client(target, grpc.credentials.createInsecure()));
  }
  return clients.get(target);
}

function callOnce(client, tally) {
  const began = performance.now();
  return new Promise((resolve) => {
    const options = { deadline: Date.now() + CALL_TIMEOUT_MS };
    client.makeUnaryRequest(WHO, pass, pass, Buffer.alloc(0), options, (error, answer) => {
      const counts = error ? tally.errors : tally.answers;
      const key = error ? `${grpc.status[error.code]}: ${error.details}` : answer.toString();
      counts[key] = (counts[key] ?? 0) + 1;
      tally.slowest_s = Math.max(tally.slowest_s, (performance.now() - began) / 1000);
      resolve();
    });
  });
}

const newTally = () => ({ answers: {}, errors: {}, slowest_s: 0 });
const inParallel = (count, work) => Promise.all(Array.from({ length: count }, work));

async function call({ call: count, to, parallel = 4 }) {
  const tally = newTally();
  let left = count;
  await inParallel(parallel, async () => {
    while (left-- > 0) await callOnce(clientOf(to), tally);
  });
  return tally;
}

function begin({ begin: target, parallel, pause_s: pause }) {
  const load = { tally: newTally(), stopped: false };
  load.done = inParallel(parallel, async () => {
    while (!load.stopped) {
      await callOnce(clientOf(target), load.tally);
      await sleep(pause * 1000);
    }
  });
  loads.set(target, load);
  return { begun: target };
}

async function end({ end: target }) {
  const load = loads.get(target);
  loads.delete(target);
  load.stopped = true;
  await load.done;
  return load.tally;
}

function obey(message) {
  if ("call" in message) return call(message);
  if ("begin" in message) return begin(message);
  if ("so_far" in message) return loads.get(message.so_far).tally;
  if ("end" in message) return end(message);
  throw new Error(`what is ${JSON.stringify(message)}?`);
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(await obey(JSON.parse(line))) + "\n");
  }
  process.exit(0);
}

main();
