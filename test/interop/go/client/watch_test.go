package client

import (
	"fmt"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// collect reads events until there are `count`.
func (e *env) collect(watch clientv3.WatchChan, count int) (found []*clientv3.Event) {
	e.Helper()
	for len(found) < count {
		select {
		case response, open := <-watch:
			if !open {
				e.Fatalf("the watch ended after %d of %d events", len(found), count)
			}
			e.check(response.Err())
			found = append(found, response.Events...)
		case <-e.ctx.Done():
			e.Fatalf("%d of %d events arrived: %s", len(found), count, events(found))
		}
	}
	return found
}

// next reads one response.
func (e *env) next(watch clientv3.WatchChan) clientv3.WatchResponse {
	e.Helper()
	select {
	case response, open := <-watch:
		if !open {
			e.Fatal("the watch ended")
		}
		return response
	case <-e.ctx.Done():
		e.Fatal("no response arrived")
	}
	panic("unreachable")
}

func TestWatchEvents(t *testing.T) {
	e := start(t)
	watch := e.c.Watch(e.ctx, "k", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	created := e.next(watch)
	e.equal("created", [2]any{created.Created, created.Header.Revision}, [2]any{true, int64(1)})
	e.put("k1", "a") // 2
	e.put("other", "x")
	e.put("k1", "b")                                                                                 // 4
	e.del("k1")                                                                                      // 5
	_, err := e.txn(clientv3.OpPut("k3", "c"), clientv3.OpPut("k2", "d"), clientv3.OpDelete("none")) // 6
	e.check(err)
	want := []string{"PUT k1=a@2", "PUT k1=b@4", "DELETE k1@5", "PUT k3=c@6 PUT k2=d@6"}
	for _, want := range want {
		response := e.next(watch)
		e.equal("a response for a revision", events(response.Events), want)
		e.equal("header", response.Header.Revision, response.Events[0].Kv.ModRevision)
	}
	history := e.c.Watch(e.ctx, "k", clientv3.WithPrefix(), clientv3.WithRev(1))
	first := e.next(history)
	e.equal("history in one response", events(first.Events), strings.Join(want, " "))
	e.equal("its header is of the store", first.Header.Revision, int64(6))
	deletion := first.Events[2].Kv
	e.equal("a deletion has no more than key and revision",
		[4]int64{deletion.CreateRevision, deletion.Version, deletion.Lease, int64(len(deletion.Value))}, [4]int64{})
	e.equal("IsCreate, IsModify", [2]bool{first.Events[0].IsCreate(), first.Events[1].IsModify()}, [2]bool{true, true})
	middle := e.c.Watch(e.ctx, "k", clientv3.WithPrefix(), clientv3.WithRev(5))
	e.equal("from the middle", events(e.next(middle).Events), "DELETE k1@5 PUT k3=c@6 PUT k2=d@6")
}

func TestWatchRanges(t *testing.T) {
	e := start(t)
	for _, key := range []string{"a", "b", "b1", "c", "d"} { // 2 to 6
		e.put(key, "v")
	}
	from := func(key string, options ...clientv3.OpOption) clientv3.WatchChan {
		return e.c.Watch(e.ctx, key, append(options, clientv3.WithRev(2))...)
	}
	e.equal("a key", events(e.collect(from("b"), 1)), "PUT b=v@3")
	e.equal("a range", events(e.collect(from("b", clientv3.WithRange("d")), 3)), "PUT b=v@3 PUT b1=v@4 PUT c=v@5")
	e.equal("from a key on", events(e.collect(from("c", clientv3.WithFromKey()), 2)), "PUT c=v@5 PUT d=v@6")
	e.equal("everything", len(e.collect(from("", clientv3.WithPrefix()), 5)), 5)
	later := e.c.Watch(e.ctx, "", clientv3.WithPrefix(), clientv3.WithRev(9))
	for n := range 4 {
		e.put("later", fmt.Sprint(n)) // 7 to 10
	}
	e.equal("from the future on", events(e.collect(later, 2)), "PUT later=2@9 PUT later=3@10")
}

func TestWatchFiltersAndPreviousPairs(t *testing.T) {
	e := start(t)
	e.put("k", "1")
	e.put("k", "2")
	e.del("k")
	e.put("k", "3")
	for _, revision := range []int64{2, 0} {
		options := func(more ...clientv3.OpOption) []clientv3.OpOption {
			return append(more, clientv3.WithRev(revision))
		}
		deletions := e.c.Watch(e.ctx, "k", options(clientv3.WithFilterPut())...)
		puts := e.c.Watch(e.ctx, "k", options(clientv3.WithFilterDelete())...)
		pairs := e.c.Watch(e.ctx, "k", options(clientv3.WithPrevKV(), clientv3.WithCreatedNotify())...)
		e.next(pairs)
		if revision == 0 {
			// All three are there: they were made in turn on one stream.
			e.put("k", "4")
			e.put("k", "5")
			e.del("k")
			e.put("k", "6")
		}
		e.equal("deletions", e.collect(deletions, 1)[0].Type, clientv3.EventTypeDelete)
		want, from := 3, 0
		if revision == 0 {
			from = 3
		}
		for n, event := range e.collect(puts, want) {
			e.equal("puts", string(event.Kv.Value), fmt.Sprint(from+n+1))
		}
		found := e.collect(pairs, 4)
		previous := func(n int) string {
			if found[n].PrevKv == nil {
				return "none"
			}
			return string(found[n].PrevKv.Value)
		}
		e.equal("before the second put", previous(1), fmt.Sprint(from+1))
		e.equal("before the deletion", previous(2), fmt.Sprint(from+2))
		e.equal("before a new life", previous(3), "none")
	}
}

func TestWatchCompacted(t *testing.T) {
	e := start(t)
	for range 5 {
		e.put("k", "v") // 2 to 6
	}
	e.compact(4)
	watch := e.c.Watch(e.ctx, "k", clientv3.WithRev(2))
	response := e.next(watch)
	e.equal("canceled", [2]any{response.Canceled, response.CompactRevision}, [2]any{true, int64(4)})
	e.fails(response.Err(), rpctypes.ErrCompacted)
	if _, open := <-watch; open {
		e.Fatal("the watch goes on")
	}
	e.equal("at the mark", len(e.collect(e.c.Watch(e.ctx, "k", clientv3.WithRev(4)), 3)), 3)
	old := e.collect(e.c.Watch(e.ctx, "k", clientv3.WithRev(4), clientv3.WithPrevKV()), 3)
	e.equal("what preceded the mark is gone", old[0].PrevKv == nil, true)
	e.equal("what came after is there", old[1].PrevKv.ModRevision, int64(4))
}

func TestWatchManyWatchers(t *testing.T) {
	e := start(t)
	const watchers = 1000
	var live, past []clientv3.WatchChan
	for n := range watchers {
		live = append(live, e.c.Watch(e.ctx, fmt.Sprintf("k%03d", n%100)))
	}
	marker := e.c.Watch(e.ctx, "marker", clientv3.WithCreatedNotify())
	e.next(marker)
	for n := range 100 {
		e.put(fmt.Sprintf("k%03d", n), "a")
		e.put(fmt.Sprintf("k%03d", n), "b")
	}
	for n := range watchers {
		past = append(past, e.c.Watch(e.ctx, fmt.Sprintf("k%03d", n%100), clientv3.WithRev(1)))
	}
	for n := range watchers {
		revision := int64(2 + 2*(n%100))
		want := fmt.Sprintf("PUT k%03d=a@%d PUT k%03d=b@%d", n%100, revision, n%100, revision+1)
		e.equal("a live watcher", events(e.collect(live[n], 2)), want)
		e.equal("a watcher of the past", events(e.collect(past[n], 2)), want)
	}
}

// A long history arrives whole and in order while writing goes on.
func TestWatchLongHistory(t *testing.T) {
	e := start(t)
	const count = 6000
	value := strings.Repeat("v", 100)
	write := func(from, to int) error {
		for n := from; n < to; n += 3 {
			ops := []clientv3.Op{
				clientv3.OpPut("a", value), clientv3.OpPut("b", fmt.Sprint(n)), clientv3.OpPut("c", value),
			}
			if _, err := e.txn(ops...); err != nil {
				return err
			}
		}
		return nil
	}
	e.check(write(0, count/2))
	watch := e.c.Watch(e.ctx, "", clientv3.WithPrefix(), clientv3.WithRev(2))
	written := make(chan error, 1)
	go func() { written <- write(count/2, count) }()
	found := e.collect(watch, count)
	e.check(<-written)
	for n, event := range found {
		key := string("abc"[n%3])
		if revision := int64(2 + n/3); string(event.Kv.Key) != key || event.Kv.ModRevision != revision {
			e.Fatalf("event %d is %s@%d, want %s@%d", n, event.Kv.Key, event.Kv.ModRevision, key, revision)
		}
	}
}

// The client resumes where it was: no event is missing or twice, though the member was killed.
func TestWatchResumesAfterACrash(t *testing.T) {
	e := start(t)
	watch := e.c.Watch(e.ctx, "k", clientv3.WithPrefix(), clientv3.WithRev(1))
	const rounds, puts = 4, 50
	var want []string
	revision := int64(1)
	for round := range rounds {
		for n := range puts {
			value := fmt.Sprint(round*puts + n)
			revision = e.put("k", value).Header.Revision
			want = append(want, fmt.Sprintf("PUT k=%s@%d", value, revision))
		}
		if round%2 == 0 {
			// Some rounds are unread when the member dies.
			e.equal("events", events(e.collect(watch, len(want))), strings.Join(want, " "))
			want = nil
		}
		e.member.Kill()
		e.member.Restart()
		e.eventually("the client is back", func() bool {
			_, err := e.c.Get(e.ctx, "k")
			return err == nil
		})
	}
	e.equal("events", events(e.collect(watch, len(want))), strings.Join(want, " "))
	e.equal("last", revision, e.get("k").Kvs[0].ModRevision)
}

func TestWatchProgress(t *testing.T) {
	e := start(t, "--watch-progress-notify-interval=200ms")
	e.put("a", "1")
	watch := e.c.Watch(e.ctx, "none", clientv3.WithProgressNotify())
	for range 2 {
		progress := e.next(watch)
		e.equal("progress", [2]any{progress.IsProgressNotify(), progress.Header.Revision}, [2]any{true, int64(2)})
	}
	e.put("a", "2")
	e.eventually("progress follows the store", func() bool { return e.next(watch).Header.Revision == 3 })
}

func TestWatchProgressOnRequest(t *testing.T) {
	e := start(t)
	watch := e.c.Watch(e.ctx, "k", clientv3.WithCreatedNotify())
	e.next(watch)
	e.put("other", "1")
	e.put("k", "2")
	e.equal("event", events(e.next(watch).Events), "PUT k=2@3")
	e.put("other", "3")
	e.check(e.c.RequestProgress(e.ctx))
	progress := e.next(watch)
	e.equal("progress", [2]any{progress.IsProgressNotify(), progress.Header.Revision}, [2]any{true, int64(4)})
}

// A response that is too large for other clients arrives in pieces, if that was asked for.
func TestWatchFragments(t *testing.T) {
	e := start(t)
	value := strings.Repeat("v", 120_000)
	var ops []clientv3.Op
	for n := range 10 {
		ops = append(ops, clientv3.OpPut(fmt.Sprintf("k%d", n), value))
	}
	_, err := e.txn(ops...)
	e.check(err)
	watch := e.c.Watch(e.ctx, "k", clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithFragment())
	whole := e.c.Watch(e.ctx, "k", clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithCreatedNotify())
	e.next(whole)
	_, err = e.txn(ops...)
	e.check(err)
	for _, watch := range []clientv3.WatchChan{watch, whole} {
		response := e.next(watch)
		e.equal("put together by the client", len(response.Events), 10)
		e.equal("with previous pairs", len(response.Events[9].PrevKv.Value), len(value))
	}
}

// The keys of an expired lease go in one revision, in the order of keys.
func TestWatchExpiry(t *testing.T) {
	e := start(t)
	watch := e.c.Watch(e.ctx, "", clientv3.WithPrefix(), clientv3.WithFilterPut())
	lease := e.grant(1)
	for _, key := range []string{"c", "a", "b"} {
		e.put(key, "v", clientv3.WithLease(lease))
	}
	e.equal("deletions", events(e.next(watch).Events), "DELETE a@5 DELETE b@5 DELETE c@5")
}
