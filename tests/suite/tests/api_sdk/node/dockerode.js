// dockerode 5 against the server of DOCKER_HOST, which has the image busybox; a registry is at REGISTRY.
//
// What dockerode sends here, as seen on the socket:
// - No version in any path, unless the caller names one. The server then answers as its newest version.
// - Every option twice, in the query and in the body: POST containers/create?Image=…&Cmd=sh&Cmd=-c&HostConfig={…}&name=… has
//   the same JSON as its body, and so has attach?stream=true&hijack=true&stdin=true, whose body is no part of the stream.
//   `hijack` is no key of the API.
// - Booleans as `true` and `false`; filters as JSON in the query, with lists or, in an older form, objects of booleans.
// - attach and exec start with Connection: Upgrade and Upgrade: tcp when `hijack` is set: it needs 101. Without it, the
//   answer's body is the stream.
// - build, images/load and PUT archive with the tar in chunks, with Content-Type: application/tar.
// - POST with Content-Length: 0 where it has no options.
'use strict';

const assert = require('node:assert');
const { PassThrough, Readable } = require('node:stream');
const Docker = require('dockerode');
const tar = require('tar-stream');

const registry = process.env.REGISTRY;
const docker = new Docker();
const sleeper = { Image: 'busybox', Cmd: ['sleep', '1000'] };

/** What a stream has said when it ends. */
async function whole(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

/** Both halves of a multiplexed stream. */
async function demultiplexed(stream) {
  const out = new PassThrough(), err = new PassThrough();
  docker.modem.demuxStream(stream, out, err);
  stream.on('end', () => { out.end(); err.end(); });
  const both = await Promise.all([whole(out), whole(err)]);
  return both;
}

/** The messages of a stream of progress. */
function followed(stream) {
  return new Promise((resolve, reject) => {
    docker.modem.followProgress(stream, (error, output) => error ? reject(error) : resolve(output));
  });
}

function archive(files) {
  const pack = tar.pack();
  for (const [name, text] of Object.entries(files)) pack.entry({ name }, text);
  pack.finalize();
  return pack;
}

async function refused(status, promise, text = '') {
  try {
    await promise;
  } catch (error) {
    assert.strictEqual(error.statusCode, status, `${error}`);
    assert.ok(`${error}`.includes(text), `${error} should say ${text}`);
    return;
  }
  assert.fail(`should be refused with ${status}`);
}

const cases = {
  async containers() {
    const made = await docker.createContainer({
      ...sleeper, name: 'one', Labels: { a: 'b' }, ExposedPorts: { '80/tcp': {} },
      HostConfig: { PortBindings: { '80/tcp': [{ HostPort: '18083' }] }, Memory: 64 << 20 },
    });
    await made.start();
    await refused(304, made.start());
    const state = await docker.getContainer('one').inspect({ size: true });
    assert.ok(state.State.Running && state.SizeRootFs > 0 && state.HostConfig.Memory === 64 << 20);
    const listed = await docker.listContainers({ all: true, limit: 5, filters: { label: { 'a=b': true }, status: { running: true } } });
    assert.deepStrictEqual(listed.map((c) => c.Id), [made.id]);
    assert.strictEqual(listed[0].Ports.find((p) => p.PrivatePort === 80).PublicPort, 18083);
    assert.deepStrictEqual(await docker.listContainers({ filters: '{"name":["none"]}' }), []);
    await made.pause();
    await made.unpause();
    await made.rename({ name: 'two' });
    await made.update({ CpuShares: 300 });
    assert.ok((await made.top({ ps_args: 'aux' })).Processes.length > 0);
    await made.resize({ h: 10, w: 20 });
    const stats = await made.stats({ stream: false, 'one-shot': true });
    assert.strictEqual(stats.memory_stats.limit, 64 << 20);
    const stream = await made.stats({ stream: true });
    const first = await new Promise((resolve) => stream.once('data', resolve));
    assert.strictEqual(JSON.parse(first).name, '/two');
    stream.destroy();
    await made.putArchive(archive({ file: 'put' }), { path: '/tmp', noOverwriteDirNonDir: true });
    assert.ok((await whole(await made.getArchive({ path: '/tmp/file' }))).includes('put'));
    const head = await made.infoArchive({ path: '/tmp/file' });
    const info = JSON.parse(Buffer.from(head.headers['x-docker-container-path-stat'], 'base64'));
    assert.strictEqual(info.name, 'file');
    assert.ok((await made.changes()).some((c) => c.Path === '/tmp/file' && c.Kind === 1));
    assert.ok((await whole(await made.export())).includes('tmp/file'));
    const image = await made.commit({ repo: 'ode', tag: '1', comment: 'c', pause: false, changes: 'ENV A=b' });
    assert.ok(image.Id.startsWith('sha256:'));
    await docker.getImage('ode:1').remove({ force: true });
    await made.restart({ t: 0 });
    const ended = made.wait({ condition: 'next-exit' });
    await made.kill({ signal: 'SIGKILL' });
    assert.strictEqual((await ended).StatusCode, 137);
    await made.stop({ t: 0 }).catch((error) => assert.strictEqual(error.statusCode, 304));
    await made.remove({ force: true, v: true });
    await refused(404, made.inspect(), 'No such container');
    await refused(404, docker.createContainer({ Image: 'none' }), 'No such image');
    const [data, ran] = await docker.run('busybox', ['sh', '-c', 'echo out; echo err >&2; exit 3'],
      [new PassThrough(), new PassThrough()], { Tty: false, Labels: { ran: '' } });
    assert.strictEqual(data.StatusCode, 3);
    await ran.remove();
    const pruned = await docker.pruneContainers({ filters: { label: ['ran'] } });
    assert.ok(!pruned.ContainersDeleted);
  },

  async streams() {
    const options = { Image: 'busybox', Cmd: ['cat'], OpenStdin: true, StdinOnce: true, AttachStdin: true };
    const made = await docker.createContainer(options);
    const stream = await made.attach({ stream: true, hijack: true, stdin: true, stdout: true, stderr: true });
    const said = demultiplexed(stream);
    await made.start();
    stream.write('through it\n');
    stream.end();
    assert.deepStrictEqual(await said, ['through it\n', '']);
    assert.strictEqual((await made.wait()).StatusCode, 0);
    await made.remove();

    const terminal = await docker.createContainer({ ...options, Cmd: ['sh'], Tty: true });
    const raw = await terminal.attach({ stream: true, hijack: true, stdin: true, stdout: true });
    const typed = whole(raw);
    await terminal.start();
    await terminal.resize({ h: 33, w: 77 });
    raw.write('stty size; exit 5\n');
    assert.ok((await typed).includes('33 77'));
    assert.strictEqual((await terminal.wait()).StatusCode, 5);
    await terminal.remove();

    const lines = await docker.createContainer({ Image: 'busybox', Cmd: ['sh', '-c', 'echo out; echo err >&2'] });
    const body = await lines.attach({ stream: true, stdout: true, stderr: true });
    const both = demultiplexed(body);
    await lines.start();
    assert.deepStrictEqual(await both, ['out\n', 'err\n']);
    const logs = await lines.logs({ stdout: true, stderr: true, follow: true, timestamps: false, since: 0 });
    assert.deepStrictEqual(await demultiplexed(logs), ['out\n', 'err\n']);
    const buffer = await lines.logs({ stdout: true, tail: 100 });
    assert.strictEqual(buffer.subarray(8).toString(), 'out\n');
    await lines.remove();
  },

  async exec() {
    const made = await docker.createContainer(sleeper);
    await made.start();
    const run = await made.exec({ Cmd: ['sh', '-c', 'cat; echo err >&2; exit 4'], AttachStdin: true, AttachStdout: true, AttachStderr: true });
    const stream = await run.start({ hijack: true, stdin: true });
    const said = demultiplexed(stream);
    stream.end('typed');
    assert.deepStrictEqual(await said, ['typed', 'err\n']);
    assert.strictEqual((await run.inspect()).ExitCode, 4);
    const terminal = await made.exec({ Cmd: ['sh'], AttachStdin: true, AttachStdout: true, Tty: true, Env: ['A=b'], WorkingDir: '/tmp' });
    const raw = await terminal.start({ hijack: true, stdin: true, Tty: true });
    const typed = whole(raw);
    await terminal.resize({ h: 12, w: 34 });
    raw.write('stty size; echo $A; pwd; exit\n');
    const text = await typed;
    assert.ok(text.includes('12 34') && text.includes('\nb\r\n/tmp'), text);
    const quiet = await made.exec({ Cmd: ['echo', 'body'], AttachStdout: true });
    // Without `hijack` the output is the body of the answer.
    assert.deepStrictEqual(await demultiplexed(await quiet.start({})), ['body\n', '']);
    const detached = await made.exec({ Cmd: ['true'] });
    await detached.start({ Detach: true });
    assert.strictEqual((await docker.getExec(detached.id).inspect()).ID, detached.id);
    await made.remove({ force: true });
  },

  async images() {
    assert.strictEqual((await docker.getImage('busybox').inspect()).Os, 'linux');
    const name = `${registry}/ode`;
    await docker.getImage('busybox').tag({ repo: name, tag: '1' });
    const pushed = await followed(await docker.getImage(`${name}:1`).push({ authconfig: { username: 'a', password: 'b' } }));
    assert.ok(pushed.some((line) => line.aux && line.aux.Digest.startsWith('sha256:')), JSON.stringify(pushed));
    assert.ok((await docker.getImage(`${name}:1`).distribution()).Descriptor.digest.startsWith('sha256:'));
    await docker.getImage(`${name}:1`).remove();
    const pulled = await followed(await docker.pull(`${name}:1`, { platform: 'linux/amd64' }));
    assert.ok(pulled.at(-1).status.startsWith('Status: '), JSON.stringify(pulled));
    await refused(404, docker.pull(`${name}:none`).then(followed));
    await docker.getImage(`${name}:1`).remove({ force: true });
    const build = await docker.buildImage(archive({ Dockerfile: 'FROM busybox\nARG A\nRUN echo $A > /a\nCMD cat /a\n' }),
      { t: 'ode:built', buildargs: { A: 'b' }, labels: { l: 'v' }, nocache: true, rm: true });
    const steps = await followed(build);
    assert.strictEqual(steps.at(-1).stream, 'Successfully tagged ode:built\n');
    assert.ok(steps.some((line) => line.aux && line.aux.ID.startsWith('sha256:')));
    const failed = await followed(await docker.buildImage(archive({ Dockerfile: 'FROM busybox\nRUN exit 9\n' }), { rm: true }))
      .catch((error) => [{ error: error.message }]);
    assert.ok(failed.at(-1).error.includes('returned a non-zero code: 9'), JSON.stringify(failed));
    assert.ok((await docker.getImage('ode:built').history()).length > 1);
    const listed = await docker.listImages({ filters: { label: ['l=v'] }, digests: true });
    assert.deepStrictEqual(listed.map((i) => i.RepoTags), [['ode:built']]);
    const one = await docker.getImage('ode:built').get();
    const data = [];
    for await (const piece of one) data.push(piece);
    const two = await docker.getImages({ names: ['ode:built', 'busybox'] });
    assert.ok((await whole(two)).includes('busybox:latest'));
    await docker.getImage('ode:built').remove();
    const loaded = await followed(await docker.loadImage(Readable.from(data), { quiet: false }));
    assert.ok(loaded.some((line) => (line.stream || '').startsWith('Loaded image: ode:built')), JSON.stringify(loaded));
    await docker.getImage('ode:built').remove();
    const imported = await followed(await docker.importImage(archive({ a: 'b' }), { repo: 'ode', tag: 'imported' }));
    assert.ok(imported.at(-1).status.startsWith('sha256:'), JSON.stringify(imported));
    await docker.getImage('ode:imported').remove();
    await docker.pruneImages({ filters: { dangling: { true: true } } });
    await docker.pruneBuilder();
  },

  async objects() {
    const net = await docker.createNetwork({ Name: 'ode', Driver: 'bridge', Labels: { a: 'b' }, CheckDuplicate: true });
    const made = await docker.createContainer({ ...sleeper, name: 'in-it' });
    await made.start();
    await net.connect({ Container: 'in-it', EndpointConfig: { Aliases: ['x'] } });
    assert.deepStrictEqual(Object.keys((await net.inspect()).Containers), [made.id]);
    await net.disconnect({ Container: 'in-it', Force: true });
    await made.remove({ force: true });
    assert.deepStrictEqual((await docker.listNetworks({ filters: { name: ['ode'] } })).map((n) => n.Name), ['ode']);
    await net.remove();
    await docker.pruneNetworks();
    const volume = await docker.createVolume({ Name: 'ode', Labels: { a: 'b' } });
    assert.strictEqual((await docker.getVolume('ode').inspect()).Name, 'ode');
    assert.strictEqual((await docker.listVolumes({ filters: { label: ['a=b'] } })).Volumes.length, 1);
    await volume.remove({ force: true });
    await docker.pruneVolumes();
  },

  async system() {
    assert.strictEqual((await docker.ping()).toString(), 'OK');
    assert.ok((await docker.version()).ApiVersion && (await docker.info()).OSType === 'linux' && (await docker.df()).Images);
    assert.strictEqual((await new Docker({ version: 'v1.40' }).version()).Os, 'linux');
    const answer = await docker.checkAuth({ username: 'a', password: 'b', serveraddress: `http://${registry}` });
    assert.strictEqual(answer.Status, 'Login Succeeded');
    const stream = await docker.getEvents({ filters: { type: ['container'], label: ['ode'] } });
    const seen = [];
    const done = new Promise((resolve) => stream.on('data', (piece) => {
      for (const line of piece.toString().trim().split('\n')) seen.push(JSON.parse(line).Action);
      if (seen.includes('destroy')) resolve();
    }));
    const made = await docker.createContainer({ ...sleeper, Labels: { ode: '' } });
    await made.start();
    await made.remove({ force: true });
    await done;
    stream.destroy();
    assert.deepStrictEqual(seen.filter((action) => action !== 'kill'), ['create', 'start', 'die', 'destroy']);
    await refused(503, docker.swarmInspect(), 'This node is not a swarm manager');
    await refused(503, docker.listServices());
    assert.deepStrictEqual(await docker.listPlugins(), []);
  },
};

(async () => {
  for (const [name, run] of Object.entries(cases)) {
    await run();
    console.log(`ok ${name}`);
  }
  // Streams that were left in the middle keep their connections.
  process.exit(0);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
