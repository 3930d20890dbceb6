"""Drives a member with aetcd, a client of the Python world.

Usage: smoke.py PORT [AUTHORITY CERTIFICATE KEY USER PASSWORD]
"""

import asyncio
import sys

import aetcd
import grpc


async def keys(client):
    assert await client.get(b"a") is None
    first = await client.put(b"a", b"1")
    assert first.header.revision == 2, first.header.revision
    replaced = await client.put(b"a", b"2", prev_kv=True)
    assert replaced.prev_kv.value == b"1"
    found = await client.get(b"a")
    assert (found.value, found.version, found.create_revision) == (b"2", 2, 2)
    for name in (b"p/3", b"p/1", b"p/2"):
        await client.put(name, name[-1:])
    listed = await client.get_prefix(b"p/")
    assert [pair.key for pair in listed] == [b"p/1", b"p/2", b"p/3"]
    turned = await client.get_prefix(b"p/", sort_order="descend", sort_target="mod")
    assert [pair.value for pair in turned] == [b"2", b"1", b"3"]
    deleted = await client.delete(b"a", prev_kv=True)
    assert deleted.prev_kv.value == b"2"
    assert await client.delete(b"a") is None
    gone = await client.delete_prefix(b"p/")
    assert gone.deleted == 3


async def transactions(client):
    when = aetcd.transactions
    for want in (True, False):
        succeeded, answers = await client.transaction(
            compare=[when.Version(b"t") == 0],
            success=[when.Put(b"t", b"new"), when.Get(b"t")],
            failure=[when.Get(b"t"), when.Delete(b"t")],
        )
        assert succeeded is want
        value, _ = answers[1 if want else 0][0]
        assert value == b"new"
    await client.put(b"t", b"old")
    assert await client.replace(b"t", b"old", b"new")
    assert not await client.replace(b"t", b"old", b"newer")
    assert (await client.get(b"t")).value == b"new"


async def watches(client):
    watch = await client.watch_prefix(b"w/")
    await client.put(b"w/1", b"a")
    await client.put(b"elsewhere", b"b")
    await client.put(b"w/2", b"c")
    await client.delete(b"w/1")
    seen = []
    async for event in watch:
        seen.append((event.kind, event.kv.key, event.kv.value))
        if len(seen) == 3:
            break
    await watch.cancel()
    put, delete = aetcd.EventKind.PUT, aetcd.EventKind.DELETE
    assert seen == [(put, b"w/1", b"a"), (put, b"w/2", b"c"), (delete, b"w/1", b"")], seen


async def leases(client):
    lease = await client.lease(60)
    await client.put(b"l", b"v", lease=lease)
    assert await lease.granted_ttl() == 60
    assert await lease.keys() == [b"l"]
    await lease.refresh()
    await lease.revoke()
    assert await client.get(b"l") is None
    async with client.lock(b"lock", ttl=60) as lock:
        assert await lock.is_acquired()


async def maintenance(client):
    status = await client.status()
    assert status.version == "3.7.1", status.version
    members = [member async for member in client.members()]
    assert [member.name for member in members] == ["default"]
    await client.put(b"c", b"1")
    newest = (await client.put(b"c", b"2")).header.revision
    await client.compact(newest)
    try:
        await client.compact(newest)
        raise AssertionError("compacted twice")
    except aetcd.ClientError:
        pass
    await client.defragment()


def read(path):
    with open(path, "rb") as file:
        return file.read()


def secured(authority, certificate, key):
    """The client knows no TLS; the library below it does."""
    credentials = grpc.ssl_channel_credentials(read(authority), read(key), read(certificate))
    aetcd.rpc.insecure_channel = lambda target, options=None: grpc.aio.secure_channel(
        target, credentials, options=list(options or [])
    )


async def main(port, *rest):
    user = {}
    if rest:
        *files, name, password = rest
        secured(*files)
        user = {"username": name, "password": password}
    async with aetcd.Client(host="127.0.0.1", port=int(port), **user) as client:
        for check in (keys, transactions, watches, leases, maintenance):
            await asyncio.wait_for(check(client), 60)
            print(check.__name__)


asyncio.run(main(*sys.argv[1:]))
