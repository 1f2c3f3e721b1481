// testcontainers for Node against the server of DOCKER_HOST, which has the images busybox, database:1 and reaper:1.
//
// The argument `alone` runs it with the reaper switched off (TESTCONTAINERS_RYUK_DISABLED); `reaped` starts containers under
// the reaper of RYUK_CONTAINER_IMAGE, prints their ids and ends without removing them.
//
// What it sends in addition to dockerode, as seen on the socket:
// - GET /info first, and networks/bridge for the address of the host; GET containers/json for a reaper that runs already.
// - GET containers/json?limit=1&filters={"label":["…container-hash=…"],"status":[…]} to find a container to reuse.
// - Three execs at once, to find out whether a port is bound inside: with /proc/net/tcp, `nc -vz` and bash's /dev/tcp. It takes
//   the exit codes 126 and 127 for no. exec start has stdin=true in its body, which is no key of the API.
// - GET logs?follow=true&stdout=true&stderr=true&tail=-1&since=0, closed as soon as the line has come.
// - PUT archive?path=/&noOverwriteDirNonDir=&copyUIDGID= with both keys empty, before the start and after it.
// - POST networks/NAME/connect with aliases between create and start.
'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { GenericContainer, Network, Wait } = require('testcontainers');

const web = ['sh', '-c', 'mkdir -p /www; echo hello > /www/index.html; exec httpd -f -p 80 -h /www'];

/** One command to a redis server; its answer. */
function redis(host, port, command) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, host, () => socket.write(`${command}\r\n`));
    socket.once('data', (data) => { socket.destroy(); resolve(data.toString()); });
    socket.once('error', reject);
  });
}

async function generic() {
  const started = await new GenericContainer('busybox').withCommand(web).withExposedPorts(80)
    .withEnvironment({ A: 'b' }).withLabels({ own: 'yes' }).withTmpFs({ '/scratch': 'rw,size=1m' })
    .withCopyContentToContainer([{ content: 'copied', target: '/etc/copied' }])
    .withWaitStrategy(Wait.forAll([Wait.forListeningPorts(), Wait.forHttp('/', 80)])).start();
  const answer = await fetch(`http://${started.getHost()}:${started.getMappedPort(80)}/`);
  assert.strictEqual(await answer.text(), 'hello\n');
  const { output, exitCode } = await started.exec(['sh', '-c', 'cat /etc/copied; echo $A']);
  assert.strictEqual(`${exitCode} ${output}`, '0 copiedb\n');
  await started.copyContentToContainer([{ content: 'later', target: '/tmp/later' }]);
  const archive = [];
  for await (const piece of await started.copyArchiveFromContainer('/tmp/later')) archive.push(piece);
  assert.ok(Buffer.concat(archive).includes('later'));
  await started.restart({ timeout: 1 });
  assert.ok(started.getMappedPort(80) > 0);
  await started.stop({ timeout: 0 });
}

async function database() {
  const started = await new GenericContainer('database:1').withExposedPorts(6379)
    .withHealthCheck({ test: ['CMD-SHELL', 'redis-cli ping'], interval: 500, retries: 20, startPeriod: 100 })
    .withWaitStrategy(Wait.forAll([Wait.forLogMessage('Ready to accept connections'), Wait.forHealthCheck()])).start();
  const ask = (command) => redis(started.getHost(), started.getMappedPort(6379), command);
  assert.strictEqual(await ask('SET key value'), '+OK\r\n');
  assert.strictEqual(await ask('GET key'), '$5\r\nvalue\r\n');
  await started.stop();
}

async function reuse() {
  const start = () => new GenericContainer('busybox').withCommand(['sleep', '1000']).withReuse().start();
  const one = await start(), two = await start();
  assert.strictEqual(one.getId(), two.getId());
  await one.stop({ remove: true });
}

async function networksAndImages() {
  const context = fs.mkdtempSync(path.join(os.tmpdir(), 'hull-node-'));
  fs.writeFileSync(path.join(context, 'Dockerfile'), 'FROM busybox\nARG A\nRUN echo $A > /a\nCMD ["sleep", "1000"]\n');
  const image = await GenericContainer.fromDockerfile(context).withBuildArgs({ A: 'given' }).build('node-built:1', { deleteOnExit: false });
  fs.rmSync(context, { recursive: true });
  const network = await new Network().start();
  const server = await new GenericContainer('busybox').withCommand(web).withNetwork(network).withNetworkAliases('web').start();
  const client = await image.withNetwork(network).start();
  const { output } = await client.exec(['sh', '-c', 'cat /a; wget -qO- http://web']);
  assert.strictEqual(output, 'given\nhello\n');
  const logs = await server.logs();
  logs.destroy();
  await Promise.all([server.stop(), client.stop()]);
  await network.stop();
}

async function reaped() {
  const start = () => new GenericContainer('busybox').withCommand(['sleep', '1000']).start();
  const started = [await start(), await start()];
  console.log(started.map((c) => c.getId()).join(' '));
}

(async () => {
  if (process.argv[2] === 'reaped') {
    await reaped();
  } else {
    for (const run of [generic, database, reuse, networksAndImages]) {
      await run();
      console.log(`ok ${run.name}`);
    }
  }
  process.exit(0);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
