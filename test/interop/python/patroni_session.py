"""Drives a member as Patroni does: by its own code, which speaks JSON, but without PostgreSQL.

Usage: patroni_session.py HOST:PORT[,HOST:PORT] [AUTHORITY CERTIFICATE KEY USER PASSWORD]
"""

import sys
import threading
import time

from patroni import dcs as stores


def node(name, hosts, scope="test", ctl=False, ttl=20, rest=()):
    place = {"hosts": hosts}
    if rest:
        authority, certificate, key, user, password = rest
        place |= {"protocol": "https", "cacert": authority, "cert": certificate, "key": key}
        place |= {"username": user, "password": password}
    settings = {
        "etcd3": place,
        "namespace": "/service/",
        "scope": scope,
        "name": name,
        "ttl": ttl,
        "loop_wait": 2,
        "retry_timeout": 10,
    }
    if ctl:
        settings["patronictl"] = True
    return stores.get_dcs(settings)


def until(what, check, limit=60):
    """Waits for what a watch brings: until then parts of the cluster may be missing."""
    end = time.monotonic() + limit
    while True:
        try:
            if check():
                return
        except (AttributeError, KeyError):
            pass
        assert time.monotonic() < end, what
        time.sleep(0.05)


def founding(one, two, ctl):
    assert ctl.get_cluster().initialize is None
    assert one.initialize(create_new=True, sysid="7")
    assert not two.initialize(create_new=True, sysid="8")
    until("the identity is seen", lambda: two.get_cluster().initialize == "7")
    assert one.cancel_initialization()
    until("the identity is gone", lambda: two.get_cluster().initialize is None)
    assert two.initialize(create_new=False, sysid="9")
    assert ctl.get_cluster().initialize == "9"
    assert one.set_config_value('{"ttl": 20}')
    version = ctl.get_cluster().config.modify_version
    assert one.set_config_value('{"ttl": 21}', version)
    assert not one.set_config_value('{"ttl": 22}', version)
    assert ctl.get_cluster().config.data == {"ttl": 21}


def members(one, two, ctl):
    for which, name in ((one, "one"), (two, "two")):
        assert which.touch_member({"conn_url": f"postgres://{name}", "state": "running"})
    assert sorted(member.name for member in ctl.get_cluster().members) == ["one", "two"]
    assert one.touch_member({"conn_url": "postgres://one", "state": "streaming"})
    state = lambda: two.get_cluster().get_member("one").data["state"]
    until("the other's state is seen", lambda: state() == "streaming")


def leadership(one, two, ctl):
    assert one.attempt_to_acquire_leader()
    assert not two.attempt_to_acquire_leader()
    for which in (one, two, ctl):
        until("the leader is seen", lambda: which.get_cluster().leader_name == "one")
    until("one's own lease", lambda: one.get_cluster().leader.session == one._lease)
    assert one.update_leader(one.get_cluster(), 100, {"slot": 7}, {"one": "a"})
    assert one.update_leader(one.get_cluster(), 101)
    until("the status is seen", lambda: two.get_cluster().status.last_lsn == 101)


def watching(one, two, ctl):
    """The follower's wait ends when the leader's key goes."""
    two.event.clear()
    ended = []
    version = two.get_cluster().leader.version
    waiter = threading.Thread(target=lambda: ended.append(two.watch(version, 60)))
    waiter.start()
    assert one.delete_leader(one.get_cluster().leader, 102)
    waiter.join(60)
    assert ended == [True], ended
    until("no leader", lambda: two.get_cluster().leader is None)
    assert two.attempt_to_acquire_leader()
    until("the other leads", lambda: one.get_cluster().leader_name == "two")
    assert not one.attempt_to_acquire_leader()


def lost_lease(one, two, ctl):
    """A lease that somebody revoked: the key goes with it, and comes back under a new one."""
    old = two._lease
    two._client.call_rpc("/lease/revoke", {"ID": old})
    until("the key went", lambda: ctl.get_cluster().leader is None)
    until("the follower sees", lambda: one.get_cluster().leader is None)
    two._last_lease_refresh = time.time()
    assert two.attempt_to_acquire_leader()
    assert two._lease != old
    assert ctl.get_cluster().leader.session == two._lease
    assert two.take_leader()


def switchover(one, two, ctl):
    assert ctl.manual_failover("two", "one")
    version = ctl.get_cluster().failover.version
    until("the wish is seen", lambda: one.get_cluster().failover.candidate == "one")
    assert one.manual_failover("", "", version=version)
    assert not one.manual_failover("", "x", version=version)
    sync = two.write_sync_state("two", ["one"], 0)
    assert sync, sync
    newer = two.write_sync_state("two", ["one", "three"], 1, version=sync.version)
    assert newer
    assert not two.write_sync_state("two", None, 0, version=sync.version)
    until("the standby is seen", lambda: "three" in one.get_cluster().sync.members)
    assert not two.delete_sync_state(version=sync.version)
    assert two.delete_sync_state(version=newer.version)
    assert two.set_history_value("[[1, 2, 3]]")
    until("the history is seen", lambda: one.get_cluster().history.lines == [[1, 2, 3]])


def leaving(one, two, ctl):
    assert ctl.delete_cluster()
    until("nothing is left", lambda: one.get_cluster().is_empty() and not one.get_cluster().members)
    assert ctl.get_cluster().is_empty()


def expiry(hosts, rest):
    short = node("short", hosts, scope="short", ttl=5, rest=rest)
    ctl = node("ctl", hosts, scope="short", ctl=True, rest=rest)
    assert short.attempt_to_acquire_leader()
    assert ctl.get_cluster().leader_name == "short"
    until("the lock expires", lambda: ctl.get_cluster().leader is None)


def main(hosts, *rest):
    one, two = (node(name, hosts, rest=rest) for name in ("one", "two"))
    ctl = node("ctl", hosts, ctl=True, rest=rest)
    checks = (founding, members, leadership, watching, lost_lease, switchover, leaving)
    for check in checks:
        check(one, two, ctl)
        print(check.__name__, flush=True)
    expiry(hosts, rest)
    print("expiry", flush=True)


main(*sys.argv[1:])
