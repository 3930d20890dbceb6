package client

import (
	"fmt"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/leasing"
	"go.etcd.io/etcd/client/v3/mirror"
	"go.etcd.io/etcd/client/v3/namespace"
	"go.etcd.io/etcd/client/v3/naming/endpoints"
	"go.etcd.io/etcd/client/v3/ordering"
)

func TestRecipesNaming(t *testing.T) {
	e := start(t)
	manager, err := endpoints.NewManager(e.c, "services/a")
	e.check(err)
	watch, err := manager.NewWatchChannel(e.ctx)
	e.check(err)
	lease := e.grant(60)
	one := endpoints.Endpoint{Addr: "10.0.0.1:80", Metadata: "one"}
	two := endpoints.Endpoint{Addr: "10.0.0.2:80"}
	e.check(manager.AddEndpoint(e.ctx, "services/a/1", one, clientv3.WithLease(lease)))
	e.check(manager.Update(e.ctx, []*endpoints.UpdateWithOpts{
		endpoints.NewAddUpdateOpts("services/a/2", two),
		endpoints.NewAddUpdateOpts("services/a/3", two),
	}))
	var seen []string
	for len(seen) < 3 {
		for _, update := range <-watch {
			seen = append(seen, fmt.Sprintf("%d %s %s", update.Op, update.Key, update.Endpoint.Addr))
		}
	}
	e.equal("seen", seen, []string{
		"0 services/a/1 10.0.0.1:80", "0 services/a/2 10.0.0.2:80", "0 services/a/3 10.0.0.2:80",
	})
	e.check(manager.DeleteEndpoint(e.ctx, "services/a/3"))
	_, err = e.c.Revoke(e.ctx, lease)
	e.check(err)
	left, err := manager.List(e.ctx)
	e.check(err)
	e.equal("left", left, endpoints.Key2EndpointMap{"services/a/2": two})
}

func TestRecipesMirror(t *testing.T) {
	e := start(t)
	const count = 2500 // more than the syncer asks for at once
	for n := range count / 100 {
		var ops []clientv3.Op
		for m := range 100 {
			ops = append(ops, clientv3.OpPut(fmt.Sprintf("m/%04d", n*100+m), "v"))
		}
		_, err := e.txn(ops...)
		e.check(err)
	}
	e.put("elsewhere", "v")
	syncer := mirror.NewSyncer(e.c, "m/", 0)
	pages, failures := syncer.SyncBase(e.ctx)
	found := 0
	for page := range pages {
		for _, kv := range page.Kvs {
			e.equal("key", string(kv.Key), fmt.Sprintf("m/%04d", found))
			found++
		}
	}
	e.check(<-failures)
	e.equal("found", found, count)
	updates := syncer.SyncUpdates(e.ctx)
	e.put("m/new", "x")
	e.put("elsewhere", "y")
	e.del("m/0000")
	after := e.get("m/new").Kvs[0].ModRevision
	e.equal("updates", events(e.collect(updates, 2)), fmt.Sprintf("PUT m/new=x@%d DELETE m/0000@%d", after, after+2))
}

func TestRecipesNamespace(t *testing.T) {
	e := start(t)
	kv, watcher := namespace.NewKV(e.c.KV, "ns/"), namespace.NewWatcher(e.c.Watcher, "ns/")
	watch := watcher.Watch(e.ctx, "", clientv3.WithPrefix(), clientv3.WithRev(1))
	_, err := kv.Put(e.ctx, "a", "1")
	e.check(err)
	_, err = kv.Txn(e.ctx).
		If(clientv3.Compare(clientv3.Version("a"), "=", 1)).
		Then(clientv3.OpPut("b", "2"), clientv3.OpGet("a"), clientv3.OpDelete("zz", clientv3.WithFromKey())).
		Commit()
	e.check(err)
	e.equal("events", events(e.collect(watch, 2)), "PUT a=1@2 PUT b=2@3")
	e.equal("stored", keys(e.get("", clientv3.WithPrefix()).Kvs), "ns/a ns/b")
}

func TestRecipesLeasing(t *testing.T) {
	e := start(t)
	kv, closeKV, err := leasing.NewKV(e.c, "leasing/")
	e.check(err)
	defer closeKV()
	other, closeOther, err := leasing.NewKV(e.member.Connect(), "leasing/")
	e.check(err)
	defer closeOther()
	_, err = kv.Put(e.ctx, "k", "1")
	e.check(err)
	for n := range 5 {
		found, err := kv.Get(e.ctx, "k")
		e.check(err)
		e.equal("cached", pairs(found.Kvs), fmt.Sprintf("k=%d", n+1))
		_, err = other.Put(e.ctx, "k", fmt.Sprint(n+2))
		e.check(err)
	}
}

func TestRecipesOrdering(t *testing.T) {
	e := start(t)
	kv := ordering.NewKV(e.c.KV, func(clientv3.Op, clientv3.OpResponse, int64) error {
		return rpctypes.ErrNoLeader
	})
	for n := range 10 {
		e.put("k", fmt.Sprint(n))
		_, err := kv.Get(e.ctx, "k", clientv3.WithSerializable())
		e.check(err)
	}
}
