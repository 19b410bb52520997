// BullMQ: addBulk in batches, one worker process; results kept, its default.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker as Thread, parentPort, workerData } from 'node:worker_threads';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';

// What all are given alike (`bench/alike.py`) comes before the other arguments.
const alike = JSON.parse(process.argv[2]);
const START_NS = 50_000_000;

function work(path) {
  let done = 0;
  let said = 0;
  let late = [];
  const begin = async ({ data: { number, due } }) => {
    if (due) late.push(Number(process.hrtime.bigint() - BigInt(due)) / 1e6);
    done += 1;
    return number;
  };
  const worker = new Worker('bench', begin, {
    connection: new Redis(path, { maxRetriesPerRequest: null }), concurrency: alike.room,
  });
  worker.on('error', (error) => console.error(error));
  // It has the output of the program, which else would never end when the program fails.
  process.on('disconnect', () => process.exit(1));
  setInterval(() => {
    if (done !== said) { said = done; process.send({ done, late }); late = []; }
  }, 5);
}

async function enqueue(queue, count) {
  let next = 0;
  const caller = async () => {
    while (next < count) {
      const start = next;
      const size = Math.min(alike.batch, count - start);
      next += size;
      await queue.addBulk(
        Array.from({ length: size }, (_, n) => ({ name: 'nothing', data: { number: start + n, text: alike.text } })),
      );
    }
  };
  await Promise.all(Array.from({ length: alike.batches }, caller));
}

// At moments that were fixed before. A thread keeps the time, as it does for the other programs
// (`bench/pace.py`): a timer of Node ends up to a millisecond late.
async function atRate(queue, count, rate) {
  const added = [];
  const clock = new Thread(fileURLToPath(import.meta.url), {
    workerData: { count, rate }, argv: [process.argv[2], 'keep-time'],
  });
  await new Promise((resolve, reject) => {
    clock.on('error', reject);
    clock.on('exit', resolve);
    clock.on('message', ({ number, due }) => {
      added.push(queue.add('nothing', { number, text: alike.text, due: String(due) }));
    });
  });
  await Promise.all(added);
}

function keepTime({ count, rate }) {
  const first = process.hrtime.bigint() + BigInt(START_NS);
  const never = new Int32Array(new SharedArrayBuffer(4));
  for (let number = 0; number < count; number += 1) {
    const due = first + BigInt(number) * 1_000_000_000n / BigInt(rate);
    const left = Number(due - process.hrtime.bigint()) / 1e6;
    if (left > 0) Atomics.wait(never, 0, 0, left);
    parentPort.postMessage({ number, due });
  }
}

async function measure(path, count, rate) {
  const queue = new Queue('bench', { connection: new Redis(path) });
  const child = fork(fileURLToPath(import.meta.url), [process.argv[2], 'work', path]);
  let done = 0;
  let wake = () => {};
  const late = [];
  child.on('message', (said) => { done = said.done; late.push(...said.late); wake(); });
  child.on('exit', (code) => { console.error(`the worker ended with ${code}`); process.exit(1); });
  const until = async (number) => {
    while (done < number) await new Promise((resolve) => { wake = resolve; });
  };
  await enqueue(queue, alike.warm);
  await until(alike.warm);
  const began = performance.now();
  await (rate ? atRate(queue, count, rate) : enqueue(queue, count));
  await until(alike.warm + count);
  const spent = (performance.now() - began) / 1000;
  child.removeAllListeners('exit');
  const gone = new Promise((resolve) => { child.once('exit', resolve); });
  child.kill('SIGKILL');
  await gone;
  console.log(`RESULT ${JSON.stringify(rate ? { late_ms: late } : { runs_per_s: count / spent })}`);
  process.exit(0);
}

const [, , , first, second, rate] = process.argv;
if (first === 'work') work(second);
else if (first === 'keep-time') keepTime(workerData);
else await measure(first, Number(second), Number(rate ?? 0));
