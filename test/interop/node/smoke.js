// Drives a member with etcd3, the client of the Node world.
//
// Usage: node smoke.js ENDPOINT [AUTHORITY CERTIFICATE KEY USER PASSWORD]

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const { once } = require('node:events');
const { Etcd3 } = require('etcd3');

async function keys(client) {
  assert.equal(await client.get('a'), null);
  await client.put('a').value('1');
  await client.put('a').value('2');
  assert.equal(await client.get('a').string(), '2');
  const { kvs } = await client.get('a').exec();
  assert.equal(kvs[0].version, '2');
  for (const name of ['p/3', 'p/1', 'p/2']) {
    await client.put(name).value(name.slice(-1));
  }
  assert.deepEqual(await client.getAll().prefix('p/').keys(), ['p/1', 'p/2', 'p/3']);
  assert.deepEqual(await client.getAll().prefix('p/').sort('Mod', 'Descend').limit(2).keys(), ['p/2', 'p/1']);
  assert.equal(await client.getAll().prefix('p/').count(), 3);
  const deleted = await client.delete().prefix('p/');
  assert.equal(deleted.deleted, '3');
}

async function transactions(client) {
  for (const want of [true, false]) {
    const { succeeded } = await client
      .if('t', 'Version', '==', 0)
      .then(client.put('t').value('new'))
      .else(client.delete().key('t'))
      .commit();
    assert.equal(succeeded, want);
  }
  assert.equal(await client.get('t'), null);
  await client.stm().transact(async (memory) => {
    assert.equal(await memory.get('t'), null);
    await memory.put('t').value('memory');
  });
  assert.equal(await client.get('t').string(), 'memory');
}

async function watches(client) {
  const watcher = await client.watch().prefix('w/').create();
  const seen = [];
  watcher.on('put', (kv) => seen.push(`put ${kv.key}=${kv.value}`));
  watcher.on('delete', (kv) => seen.push(`delete ${kv.key}`));
  await client.put('w/1').value('a');
  await client.put('elsewhere').value('b');
  await client.put('w/2').value('c');
  await client.delete().key('w/1');
  while (seen.length < 3) {
    await once(watcher, 'data');
  }
  assert.deepEqual(seen, ['put w/1=a', 'put w/2=c', 'delete w/1']);
  await watcher.cancel();
}

async function leases(client) {
  const lease = client.lease(60);
  await lease.put('l').value('v');
  const { keys } = await client.leaseClient.leaseTimeToLive({ ID: await lease.grant(), keys: true });
  assert.deepEqual(keys.map(String), ['l']);
  await lease.keepaliveOnce();
  await lease.revoke();
  assert.equal(await client.get('l'), null);
  const ran = await client.lock('lock').do(() => 'inside');
  assert.equal(ran, 'inside');
}

async function elections(client) {
  const campaign = client.election('boss').campaign('me');
  await once(campaign, 'elected');
  assert.equal(await client.election('boss').leader(), 'me');
  await campaign.resign();
  assert.equal(await client.election('boss').leader(), undefined);
}

function secured([authority, certificate, key, username, password]) {
  return {
    credentials: {
      rootCertificate: readFileSync(authority),
      certChain: readFileSync(certificate),
      privateKey: readFileSync(key),
    },
    auth: { username, password },
  };
}

async function main([endpoint, ...rest]) {
  const client = new Etcd3({ hosts: endpoint, ...(rest.length > 0 ? secured(rest) : {}) });
  for (const check of [keys, transactions, watches, leases, elections]) {
    await check(client);
    console.log(check.name);
  }
  client.close();
}

setTimeout(() => assert.fail('took too long'), 120_000).unref();
main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
