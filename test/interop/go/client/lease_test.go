package client

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestLeaseGrant(t *testing.T) {
	e := start(t)
	for asked, granted := range map[int64]int64{-7: 2, 0: 2, 1: 2, 2: 2, 3: 3, 9_000_000_000: 9_000_000_000} {
		response, err := e.c.Grant(e.ctx, asked)
		e.check(err)
		e.equal(fmt.Sprintf("%d asked for", asked), response.TTL, granted)
		if response.ID <= 0 {
			e.Fatalf("the member chose the id %d", response.ID)
		}
	}
	for _, seconds := range []int64{9_000_000_001, math.MaxInt64} {
		_, err := e.c.Grant(e.ctx, seconds)
		e.fails(err, rpctypes.ErrLeaseTTLTooLarge)
	}
	raw := pb.NewLeaseClient(e.c.ActiveConnection())
	for _, id := range []int64{7, -7, math.MaxInt64, math.MinInt64} {
		response, err := raw.LeaseGrant(e.ctx, &pb.LeaseGrantRequest{ID: id, TTL: 60})
		e.check(err)
		e.equal("the id asked for", response.ID, id)
		_, err = raw.LeaseGrant(e.ctx, &pb.LeaseGrantRequest{ID: id, TTL: 60})
		e.fails(rpctypes.Error(err), rpctypes.ErrLeaseExist)
	}
	e.equal("a lease has no revision", e.get("k").Header.Revision, int64(1))
	found, err := e.c.Leases(e.ctx)
	e.check(err)
	var given []int64
	for _, lease := range found.Leases {
		if id := int64(lease.ID); id == 7 || id == -7 || id == math.MaxInt64 || id == math.MinInt64 {
			given = append(given, id)
		}
	}
	slices.Sort(given)
	e.equal("the list", [2]any{len(found.Leases), given}, [2]any{10, []int64{math.MinInt64, -7, 7, math.MaxInt64}})
}

func TestLeaseRevoke(t *testing.T) {
	e := start(t)
	_, err := e.c.Revoke(e.ctx, 12345)
	e.fails(err, rpctypes.ErrLeaseNotFound)
	lease := e.grant(60)
	watch := e.c.Watch(e.ctx, "", clientv3.WithPrefix(), clientv3.WithFilterPut())
	for _, key := range []string{"c", "a", "b", "moved", "detached"} {
		e.put(key, "v", clientv3.WithLease(lease)) // 2 to 6
	}
	other := e.grant(60)
	e.put("moved", "v", clientv3.WithLease(other)) // 7
	e.put("detached", "v")                         // 8
	e.del("c")                                     // 9
	e.put("c", "v", clientv3.WithLease(lease))     // 10
	e.equal("deletion", events(e.next(watch).Events), "DELETE c@9")
	state, err := e.c.TimeToLive(e.ctx, lease, clientv3.WithAttachedKeys())
	e.check(err)
	attached := list(state.Keys, func(key []byte) string { return string(key) })
	words := map[string]bool{}
	for _, key := range state.Keys {
		words[string(key)] = true
	}
	e.equal("attached: "+attached, words, map[string]bool{"a": true, "b": true, "c": true})
	_, err = e.c.Revoke(e.ctx, lease)
	e.check(err)
	e.equal("one revision, keys in order", events(e.next(watch).Events), "DELETE a@11 DELETE b@11 DELETE c@11")
	e.equal("what is left", keys(e.get("", clientv3.WithPrefix()).Kvs), "detached moved")
	_, err = e.c.Revoke(e.ctx, lease)
	e.fails(err, rpctypes.ErrLeaseNotFound)
	_, err = e.c.Revoke(e.ctx, e.grant(60))
	e.check(err)
	e.equal("nothing attached: no revision", e.get("a").Header.Revision, int64(11))
}

func TestLeaseTimeToLive(t *testing.T) {
	e := start(t)
	missing, err := e.c.TimeToLive(e.ctx, 12345, clientv3.WithAttachedKeys())
	e.check(err)
	e.equal("missing", [3]int64{missing.TTL, missing.GrantedTTL, int64(len(missing.Keys))}, [3]int64{-1, 0, 0})
	lease := e.grant(100)
	e.put("k", "v", clientv3.WithLease(lease))
	state, err := e.c.TimeToLive(e.ctx, lease)
	e.check(err)
	e.equal("granted", state.GrantedTTL, int64(100))
	if state.TTL < 90 || state.TTL > 100 {
		e.Fatalf("%d seconds remain of 100", state.TTL)
	}
	e.equal("keys only if asked for", len(state.Keys), 0)
	renewed, err := e.c.KeepAliveOnce(e.ctx, lease)
	e.check(err)
	e.equal("renewed", renewed.TTL, int64(100))
	_, err = e.c.KeepAliveOnce(e.ctx, 12345)
	e.fails(err, rpctypes.ErrLeaseNotFound)
	raw, err := pb.NewLeaseClient(e.c.ActiveConnection()).LeaseKeepAlive(e.ctx)
	e.check(err)
	for _, id := range []int64{12345, 0, int64(lease)} {
		e.check(raw.Send(&pb.LeaseKeepAliveRequest{ID: id}))
		response, err := raw.Recv()
		e.check(err)
		want := map[bool]int64{true: 100, false: 0}[id == int64(lease)]
		e.equal("on the wire", [2]int64{response.ID, response.TTL}, [2]int64{id, want})
	}
	e.check(raw.CloseSend())
}

func TestLeaseExpiry(t *testing.T) {
	e := start(t)
	begin := time.Now()
	lease, kept := e.grant(2), e.grant(2)
	e.put("dies", "v", clientv3.WithLease(lease))
	e.put("lives", "v", clientv3.WithLease(kept))
	ctx, cancel := context.WithCancel(e.ctx)
	renewals, err := e.c.KeepAlive(ctx, kept)
	e.check(err)
	e.eventually("the key dies", func() bool { return e.get("dies").Count == 0 })
	if lived := time.Since(begin); lived < 2*time.Second {
		e.Fatalf("a lease of 2 s lived %v", lived)
	}
	e.eventually("renewals arrive", func() bool { return (<-renewals).TTL == 2 })
	time.Sleep(time.Until(begin.Add(6 * time.Second)))
	e.equal("kept alive", e.get("lives").Count, int64(1))
	cancel()
	e.eventually("nobody keeps it alive", func() bool { return e.get("lives").Count == 0 })
	gone, err := e.c.TimeToLive(e.ctx, kept)
	e.check(err)
	e.equal("gone", gone.TTL, int64(-1))
}

// The client's renewals survive a crash of the member, and so do leases and what is attached to them.
func TestLeaseSurvivesACrash(t *testing.T) {
	e := start(t)
	long, kept, short := e.grant(1000), e.grant(5), e.grant(3)
	e.put("long", "v", clientv3.WithLease(long))
	e.put("kept", "v", clientv3.WithLease(kept))
	e.put("short", "v", clientv3.WithLease(short))
	renewals, err := e.c.KeepAlive(e.ctx, kept)
	e.check(err)
	e.member.Kill()
	e.member.Restart()
	state, err := e.c.TimeToLive(e.ctx, long, clientv3.WithAttachedKeys())
	e.check(err)
	e.equal("attached", fmt.Sprintf("%s", state.Keys), "[long]")
	e.eventually("short expires", func() bool { return e.get("short").Count == 0 })
	begin := time.Now()
	for time.Since(begin) < 6*time.Second {
		if renewal, open := <-renewals; !open || renewal.TTL != 5 {
			e.Fatalf("renewal %v, open: %v", renewal, open)
		}
	}
	e.equal("kept", e.get("kept").Count, int64(1))
	_, err = e.c.Revoke(e.ctx, long)
	e.check(err)
	e.equal("revoked", keys(e.get("", clientv3.WithPrefix()).Kvs), "kept")
}

// Many leases at once expire and are all gone soon.
func TestLeaseMany(t *testing.T) {
	e := start(t)
	const count = 500
	for n := range count {
		e.put(fmt.Sprint(n), "v", clientv3.WithLease(e.grant(2)))
	}
	e.eventually("all are gone", func() bool { return e.get("", clientv3.WithPrefix(), clientv3.WithCountOnly()).Count == 0 })
	e.eventually("the list is empty", func() bool {
		found, err := e.c.Leases(e.ctx)
		e.check(err)
		return len(found.Leases) == 0
	})
}
