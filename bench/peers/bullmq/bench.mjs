// BullMQ: addBulk in batches of 200, one worker process with 256 at once; results kept, its default.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';

const BATCH = 200;
const ROOM = 256;
const WARM = 200;

function work(path) {
  let done = 0;
  let said = 0;
  const worker = new Worker('bench', async (job) => { done += 1; return job.data.number; }, {
    connection: new Redis(path, { maxRetriesPerRequest: null }), concurrency: ROOM,
  });
  worker.on('error', (error) => console.error(error));
  setInterval(() => {
    if (done !== said) { said = done; process.send(done); }
  }, 5);
}

async function enqueue(queue, count) {
  for (let start = 0; start < count; start += BATCH) {
    const size = Math.min(BATCH, count - start);
    await queue.addBulk(
      Array.from({ length: size }, (_, n) => ({ name: 'nothing', data: { number: start + n } })),
    );
  }
}

async function measure(path, count) {
  const queue = new Queue('bench', { connection: new Redis(path) });
  const child = fork(fileURLToPath(import.meta.url), ['work', path]);
  let done = 0;
  let wake = () => {};
  child.on('message', (number) => { done = number; wake(); });
  child.on('exit', (code) => { console.error(`the worker ended with ${code}`); process.exit(1); });
  const until = async (number) => {
    while (done < number) await new Promise((resolve) => { wake = resolve; });
  };
  await enqueue(queue, WARM);
  await until(WARM);
  const began = performance.now();
  await enqueue(queue, count);
  await until(WARM + count);
  const rate = (count * 1000) / (performance.now() - began);
  console.log(`RESULT ${JSON.stringify({ runs_per_s: rate })}`);
  child.removeAllListeners('exit');
  child.kill('SIGKILL');
  process.exit(0);
}

if (process.argv[2] === 'work') work(process.argv[3]);
else await measure(process.argv[2], Number(process.argv[3]));
