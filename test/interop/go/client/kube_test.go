package client

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/kubernetes"
)

// registry does to a member what a kube-apiserver does: it holds objects under a prefix, creates and
// updates them guarded by revisions, lists them in pages and watches from a list on.
type registry struct {
	*env
	kube *kubernetes.Client
}

const pods = "/registry/pods/"

func newRegistry(t *testing.T) *registry {
	t.Helper()
	e := start(t)
	kube, err := kubernetes.New(clientv3.Config{Endpoints: []string{e.member.Endpoint()}})
	e.check(err)
	t.Cleanup(func() { kube.Close() })
	return &registry{e, kube}
}

// create is refused when the object exists.
func (r *registry) create(name, value string, options ...clientv3.OpOption) (int64, bool) {
	r.Helper()
	key := pods + name
	response, err := r.c.Txn(r.ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, value, options...)).
		Commit()
	r.check(err)
	return response.Header.Revision, response.Succeeded
}

// page lists from a key on at a revision.
func (r *registry) page(from string, limit, revision int64) *clientv3.GetResponse {
	r.Helper()
	options := []clientv3.OpOption{
		clientv3.WithRange(clientv3.GetPrefixRangeEnd(pods)), clientv3.WithLimit(limit), clientv3.WithRev(revision),
	}
	return r.get(from, options...)
}

func TestKubeCreateAndUpdate(t *testing.T) {
	r := newRegistry(t)
	revision, created := r.create("a", "v1")
	r.equal("created", [2]any{revision, created}, [2]any{int64(2), true})
	_, created = r.create("a", "v1")
	r.equal("exists", created, false)

	// A guaranteed update: what was read is the condition, and a conflict brings the newer object.
	update := func(expected int64, value string) *clientv3.TxnResponse {
		response, err := r.c.Txn(r.ctx).
			If(clientv3.Compare(clientv3.ModRevision(pods+"a"), "=", expected)).
			Then(clientv3.OpPut(pods+"a", value)).
			Else(clientv3.OpGet(pods + "a")).
			Commit()
		r.check(err)
		return response
	}
	r.equal("updated", update(2, "v2").Succeeded, true)
	conflict := update(2, "v3")
	r.equal("conflict", conflict.Succeeded, false)
	found := conflict.Responses[0].GetResponseRange()
	r.equal("the newer object", [2]any{pairs(found.Kvs), found.Kvs[0].ModRevision}, [2]any{pods + "a=v2", int64(3)})

	remove := func(expected int64) *clientv3.TxnResponse {
		response, err := r.c.Txn(r.ctx).
			If(clientv3.Compare(clientv3.ModRevision(pods+"a"), "=", expected)).
			Then(clientv3.OpDelete(pods+"a", clientv3.WithPrevKV())).
			Else(clientv3.OpGet(pods + "a")).
			Commit()
		r.check(err)
		return response
	}
	r.equal("not deleted", remove(2).Succeeded, false)
	deleted := remove(3)
	r.equal("deleted", deleted.Succeeded, true)
	previous := deleted.Responses[0].GetResponseDeleteRange()
	r.equal("what was deleted", pairs(previous.PrevKvs), pods+"a=v2")
	r.equal("at its revision", previous.Header.Revision, int64(4))
}

// The same through the interface that etcd's client has for this.
func TestKubeInterface(t *testing.T) {
	r := newRegistry(t)
	put, err := r.kube.OptimisticPut(r.ctx, pods+"a", []byte("v1"), 0, kubernetes.PutOptions{})
	r.check(err)
	r.equal("created", [2]any{put.Succeeded, put.Revision}, [2]any{true, int64(2)})
	put, err = r.kube.OptimisticPut(r.ctx, pods+"a", []byte("v2"), 0, kubernetes.PutOptions{GetOnFailure: true})
	r.check(err)
	r.equal("refused", [2]any{put.Succeeded, string(put.KV.Value)}, [2]any{false, "v1"})
	put, err = r.kube.OptimisticPut(r.ctx, pods+"a", []byte("v2"), 2, kubernetes.PutOptions{})
	r.check(err)
	r.equal("updated", put.Succeeded, true)
	got, err := r.kube.Get(r.ctx, pods+"a", kubernetes.GetOptions{Revision: 2})
	r.check(err)
	r.equal("then", string(got.KV.Value), "v1")
	count, err := r.kube.Count(r.ctx, pods, kubernetes.CountOptions{})
	r.check(err)
	r.equal("count", count, int64(1))
	listed, err := r.kube.List(r.ctx, pods, kubernetes.ListOptions{Limit: 1})
	r.check(err)
	r.equal("list", [2]any{pairs(listed.Kvs), listed.Revision}, [2]any{pods + "a=v2", int64(3)})
	gone, err := r.kube.OptimisticDelete(r.ctx, pods+"a", 2, kubernetes.DeleteOptions{GetOnFailure: true})
	r.check(err)
	r.equal("refused", [2]any{gone.Succeeded, string(gone.KV.Value)}, [2]any{false, "v2"})
	gone, err = r.kube.OptimisticDelete(r.ctx, pods+"a", 3, kubernetes.DeleteOptions{})
	r.check(err)
	r.equal("deleted", [2]any{gone.Succeeded, gone.Revision}, [2]any{true, int64(4)})
}

// A list in pages is of one revision, whatever is written meanwhile.
func TestKubePagedLists(t *testing.T) {
	r := newRegistry(t)
	const count, limit = 1234, 100
	for n := 0; n < count; n += 100 {
		var ops []clientv3.Op
		for m := n; m < min(n+100, count); m++ {
			ops = append(ops, clientv3.OpPut(fmt.Sprintf("%s%05d", pods, m), strconv.Itoa(m)))
		}
		_, err := r.txn(ops...)
		r.check(err)
	}
	r.put("/registry/podtemplates/x", "not a pod")
	r.equal("count only", r.get(pods, clientv3.WithPrefix(), clientv3.WithCountOnly()).Count, int64(count))
	first := r.page(pods, limit, 0)
	revision := first.Header.Revision
	var found []*mvccpb.KeyValue
	for page := first; ; {
		found = append(found, page.Kvs...)
		r.equal("remaining", page.Count-int64(len(page.Kvs)), int64(count-len(found)))
		r.equal("more", page.More, len(found) < count)
		if !page.More {
			break
		}
		last := string(page.Kvs[len(page.Kvs)-1].Key)
		r.del(last)
		r.put(fmt.Sprintf("%s%05d-new", pods, len(found)), "new")
		page = r.page(last+"\x00", limit, revision)
	}
	r.equal("found", len(found), count)
	for n, kv := range found {
		r.equal("in order", string(kv.Value), strconv.Itoa(n))
	}
	r.compact(r.get("x").Header.Revision)
	_, err := r.c.Get(r.ctx, pods, clientv3.WithPrefix(), clientv3.WithLimit(limit), clientv3.WithRev(revision))
	r.fails(err, errCompacted)
}

// A cache that lists once and watches from there is the same as the registry, and progress tells it how
// far it has come.
func TestKubeListAndWatch(t *testing.T) {
	r := newRegistry(t)
	for n := range 50 {
		r.create(strconv.Itoa(n), "0")
	}
	listed := r.get(pods, clientv3.WithPrefix())
	cache := map[string]string{}
	for _, kv := range listed.Kvs {
		cache[string(kv.Key)] = string(kv.Value)
	}
	watch := r.c.Watch(clientv3.WithRequireLeader(r.ctx), pods, clientv3.WithPrefix(), clientv3.WithPrevKV(),
		clientv3.WithProgressNotify(), clientv3.WithRev(listed.Header.Revision+1))
	var group sync.WaitGroup
	for worker := range 5 {
		group.Go(func() {
			for n := range 60 {
				key := fmt.Sprintf("%s%d", pods, (worker*13+n)%70)
				if n%4 == 3 {
					if _, err := r.c.Delete(r.ctx, key); err != nil {
						r.Error(err)
					}
				} else if _, err := r.c.Put(r.ctx, key, fmt.Sprintf("%d/%d", worker, n)); err != nil {
					r.Error(err)
				}
			}
		})
	}
	group.Wait()
	final := r.get(pods, clientv3.WithPrefix())
	r.check(r.c.RequestProgress(clientv3.WithRequireLeader(r.ctx)))
	for reached := int64(0); reached < final.Header.Revision; {
		response := r.next(watch)
		r.check(response.Err())
		for _, event := range response.Events {
			key := string(event.Kv.Key)
			old, existed := cache[key]
			r.equal("creation", event.IsCreate(), !existed && event.Type == clientv3.EventTypePut)
			r.equal("previous value", existed, event.PrevKv != nil)
			if existed {
				r.equal("previous value", string(event.PrevKv.Value), old)
			}
			if event.Type == clientv3.EventTypeDelete {
				delete(cache, key)
			} else {
				cache[key] = string(event.Kv.Value)
			}
		}
		reached = response.Header.Revision
		if len(response.Events) == 0 {
			r.equal("progress", response.IsProgressNotify(), true)
		} else if reached < final.Header.Revision {
			continue
		}
	}
	r.equal("objects", len(cache), len(final.Kvs))
	for _, kv := range final.Kvs {
		r.equal(string(kv.Key), cache[string(kv.Key)], string(kv.Value))
	}
}

// Several servers agree on who compacts: a key's version is the condition.
func TestKubeCompactor(t *testing.T) {
	r := newRegistry(t)
	const key = "compact_rev_key"
	compact := func(version, revision int64) (int64, int64, bool) {
		response, err := r.c.Txn(r.ctx).
			If(clientv3.Compare(clientv3.Version(key), "=", version)).
			Then(clientv3.OpPut(key, strconv.FormatInt(revision, 10))).
			Else(clientv3.OpGet(key)).
			Commit()
		r.check(err)
		now := response.Header.Revision
		if !response.Succeeded {
			return response.Responses[0].GetResponseRange().Kvs[0].Version, now, false
		}
		if revision > 0 {
			r.compact(revision)
		}
		return version + 1, now, true
	}
	version, revision, won := compact(0, 0)
	r.equal("the first one", [3]any{version, revision, won}, [3]any{int64(1), int64(2), true})
	for range 10 {
		r.put("k", "v")
	}
	loser, _, won := compact(0, 5)
	r.equal("who is late learns the version", [2]any{loser, won}, [2]any{int64(1), false})
	version, revision, won = compact(1, revision+5)
	r.equal("the next one", [3]any{version, revision, won}, [3]any{int64(2), int64(13), true})
	_, err := r.c.Get(r.ctx, "k", clientv3.WithRev(6))
	r.fails(err, errCompacted)
	r.equal("kept", r.get("k", clientv3.WithRev(7)).Count, int64(1))
}

// Events of a cluster live on leases that many of them share.
func TestKubeLeasedEvents(t *testing.T) {
	r := newRegistry(t)
	lease := r.grant(2)
	for n := range 100 {
		r.create("event"+strconv.Itoa(n), "v", clientv3.WithLease(lease))
	}
	r.create("stays", "v")
	watch := r.c.Watch(r.ctx, pods, clientv3.WithPrefix(), clientv3.WithPrevKV())
	begin := time.Now()
	found := r.collect(watch, 100)
	if took := time.Since(begin); took > 20*time.Second {
		r.Fatalf("expiry took %v", took)
	}
	for _, event := range found {
		r.equal("deletion with what was there", string(event.PrevKv.Value), "v")
		r.equal("one revision", event.Kv.ModRevision, found[0].Kv.ModRevision)
		r.equal("lease", event.PrevKv.Lease, int64(lease))
		r.equal("an event", strings.HasPrefix(string(event.Kv.Key), pods+"event"), true)
	}
	r.equal("left", keys(r.get(pods, clientv3.WithPrefix()).Kvs), pods+"stays")
}
