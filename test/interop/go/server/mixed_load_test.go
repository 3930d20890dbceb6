package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// load is what clients do to a cluster all the while, and what they were told.
type load struct {
	*testing.T
	c        *mixed
	stop     context.CancelFunc
	ctx      context.Context
	running  sync.WaitGroup
	mu       sync.Mutex
	acked    []change
	errors   map[string]int
	faults   []string
	watchers []*watcher
	lease    clientv3.LeaseID
}

// change is one of a key.
type change struct {
	revision   int64
	key, value string
	deleted    bool
}

const (
	// mixedWorkers each have keys of their own.
	mixedWorkers = 4
	keysEach     = 20
	// A worker rests between two requests: the machine is for the cluster.
	pause = 3 * time.Millisecond
)

// startLoad begins with a watcher on each member and one on all, a lease that is kept alive, and workers.
func (c *mixed) startLoad() *load {
	c.Helper()
	ctx, stop := context.WithCancel(c.ctx)
	l := &load{T: c.T, c: c, ctx: ctx, stop: stop, errors: map[string]int{}}
	for n := range c.members {
		l.watch(c.connect(c.members[n].Endpoint()))
	}
	l.watch(c.connect(c.endpoints()...))
	l.keepAlive()
	for worker := range mixedWorkers {
		client := c.connect(c.endpoints()...)
		l.running.Go(func() { l.work(worker, client) })
	}
	c.Cleanup(func() { stop(); l.running.Wait() })
	return l
}

func (c *mixed) connect(endpoints ...string) *clientv3.Client {
	c.Helper()
	client, err := clientv3.New(clientv3.Config{
		Endpoints: endpoints, Username: c.user, Password: c.password, DialTimeout: time.Minute, Logger: zap.NewNop(),
	})
	c.must("connect", err)
	c.Cleanup(func() { client.Close() })
	return client
}

// fault is something that must not be; the test goes on, and fails in the end.
func (l *load) fault(format string, arguments ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, fmt.Sprintf(format, arguments...))
}

// keepAlive keeps a lease with a key for as long as the load lasts.
func (l *load) keepAlive() {
	l.Helper()
	client := l.c.connect(l.c.endpoints()...)
	lease, err := client.Grant(l.ctx, 10)
	l.c.must("grant", err)
	l.lease = lease.ID
	put, err := client.Put(l.ctx, "leased", "kept", clientv3.WithLease(lease.ID))
	l.c.must("put", err)
	l.acked = append(l.acked, change{put.Header.Revision, "leased", "kept", false})
	answers, err := client.KeepAlive(l.ctx, lease.ID)
	l.c.must("keep alive", err)
	l.running.Go(func() {
		for range answers {
		}
		if l.ctx.Err() == nil {
			l.fault("the lease is lost")
		}
	})
}

// work changes keys that nobody else changes, and reads them.
func (l *load) work(worker int, client *clientv3.Client) {
	source := rand.New(rand.NewPCG(uint64(worker), 3))
	known := map[string]*belief{}
	for n := 0; l.ctx.Err() == nil; n++ {
		key := fmt.Sprintf("w%d/%02d", worker, source.IntN(keysEach))
		if known[key] == nil {
			known[key] = &belief{}
		}
		value := fmt.Sprintf("%d/%d", worker, n)
		ctx, cancel := context.WithTimeout(l.ctx, 4*time.Second)
		switch source.IntN(10) {
		case 0, 1, 2:
			got, err := client.Get(ctx, key)
			if l.count(err) {
				known[key].check(l, key, got)
			}
		case 3:
			got, err := client.Delete(ctx, key)
			gone := change{0, key, "", true}
			if known[key].maybe(gone); l.count(err) && got.Deleted > 0 {
				gone.revision = got.Header.Revision
				known[key].acknowledged(l, gone)
			}
		case 4:
			put := clientv3.OpPut(key, value)
			got, err := client.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), ">", -1)).Then(put, clientv3.OpGet(key)).Commit()
			if known[key].maybe(change{0, key, value, false}); l.count(err) {
				known[key].acknowledged(l, change{got.Header.Revision, key, value, false})
			}
		default:
			got, err := client.Put(ctx, key, value)
			if known[key].maybe(change{0, key, value, false}); l.count(err) {
				known[key].acknowledged(l, change{got.Header.Revision, key, value, false})
			}
		}
		cancel()
		time.Sleep(pause)
	}
}

// count tells whether a request succeeded; a failed one may have had its effect.
func (l *load) count(err error) bool {
	if err == nil || l.ctx.Err() != nil {
		return err == nil
	}
	text := status.Convert(err).Message()
	l.mu.Lock()
	l.errors[text]++
	l.mu.Unlock()
	if !isPassing(err) && !slices.Contains(passing, text) {
		l.fault("%v: %v", status.Code(err), err)
	}
	return false
}

// isPassing tells whether an error says that another try may work. What clientv3 is told when it logs in
// again on behalf of another request has its code elsewhere.
func isPassing(err error) bool {
	code := status.Code(err)
	var etcd rpctypes.EtcdError
	if errors.As(err, &etcd) {
		code = etcd.Code()
	}
	return code == codes.Unavailable || code == codes.DeadlineExceeded || strings.Contains(err.Error(), "deadline exceeded")
}

// passing are errors that a real etcd gives while leaders and members change.
var passing = []string{"raft proposal dropped", "raft: stopped", "etcdserver: server stopped"}

// belief is what a worker knows of a key of its own: the last change that it was told of, and those after
// it that may have happened.
type belief struct {
	last  change
	after []change
}

func (b *belief) maybe(c change) { b.after = append(b.after, c) }

func (b *belief) acknowledged(l *load, c change) {
	if c.revision <= b.last.revision {
		l.fault("violation: %v was acknowledged after %v", c, b.last)
	}
	b.last, b.after = c, nil
	l.mu.Lock()
	l.acked = append(l.acked, c)
	l.mu.Unlock()
}

// check holds an answer against what can be: nothing older than what was acknowledged.
func (b *belief) check(l *load, key string, got *clientv3.GetResponse) {
	seen := change{0, key, "", true}
	if len(got.Kvs) > 0 {
		seen = change{got.Kvs[0].ModRevision, key, string(got.Kvs[0].Value), false}
	}
	is := func(c change) bool { return c.value == seen.value && c.deleted == seen.deleted }
	begin := b.last.revision == 0 && seen.deleted
	if !begin && !is(b.last) && !slices.ContainsFunc(b.after, is) {
		l.fault("violation: %v was read, though %v was acknowledged and then only %v tried", seen, b.last, b.after)
	}
	if got.Header.Revision < b.last.revision {
		l.fault("violation: read at %d what was changed at %d", got.Header.Revision, b.last.revision)
	}
}

// watcher follows all keys from the first revision, over whatever happens.
type watcher struct {
	mu     sync.Mutex
	events []change
}

func (l *load) watch(client *clientv3.Client) {
	w := &watcher{}
	l.watchers = append(l.watchers, w)
	l.running.Go(func() {
		for w.follow(l, client) {
		}
		if l.ctx.Err() == nil {
			l.fault("a watch ended")
		}
	})
}

// follow watches from what was seen last; whether another try is right. etcd ends the watch if the member
// does not know a simple token, since it was restarted or has not applied the login yet, or is a learner;
// clientv3 ends it if it cannot log in while there is no leader.
func (w *watcher) follow(l *load, client *clientv3.Client) (again bool) {
	for answer := range client.Watch(l.ctx, "", clientv3.WithPrefix(), clientv3.WithRev(w.next())) {
		err := answer.Err()
		if err != nil && (isUnknownToken(err) || isLearner(err) || isPassing(err)) {
			again = !l.count(status.Error(codes.Unavailable, "a watch: "+err.Error()))
		} else if err != nil && l.ctx.Err() == nil {
			l.fault("watch: %v", err)
		}
		w.take(l, answer.Events)
	}
	return again && l.ctx.Err() == nil
}

// isUnknownToken goes by the text, because clientv3 passes some errors on as they came.
func isUnknownToken(err error) bool {
	return err != nil && strings.Contains(err.Error(), rpctypes.ErrInvalidAuthToken.Error())
}

func isLearner(err error) bool {
	return err != nil && strings.HasSuffix(err.Error(), "rpc not supported for learner")
}

func (w *watcher) next() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int64(len(w.events)) + 2
}

// take notes events. Every revision has at least one, so that a gap shows.
func (w *watcher) take(l *load, events []*clientv3.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, event := range events {
		next := int64(len(w.events)) + 2
		if event.Kv.ModRevision != next {
			l.fault("violation: a watcher is told of %d instead of %d", event.Kv.ModRevision, next)
		}
		deleted := event.Type == clientv3.EventTypeDelete
		w.events = append(w.events, change{event.Kv.ModRevision, string(event.Kv.Key), string(event.Kv.Value), deleted})
	}
}

// awaitWatchers waits until every watcher was told of a revision.
func (l *load) awaitWatchers(revision int64) {
	l.Helper()
	for n, w := range l.watchers {
		l.c.eventually(fmt.Sprint("watcher ", n), func(context.Context) error {
			l.failOnFaults()
			if next := w.next(); next <= revision {
				return fmt.Errorf("it waits for revision %d, and not yet for %d", next, revision+1)
			}
			return nil
		})
	}
	l.failOnFaults()
}

func (l *load) failOnFaults() {
	l.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.faults) > 0 {
		l.Fatalf("%d faults:\n%s", len(l.faults), strings.Join(l.faults[:min(len(l.faults), 20)], "\n"))
	}
}

// finish ends the load and compares all that was acknowledged with what all watchers were told.
func (l *load) finish() {
	l.Helper()
	l.awaitWatchers(l.c.agree())
	alive, err := l.c.at(0).TimeToLive(l.c.ctx, l.lease, clientv3.WithAttachedKeys())
	if err != nil || alive.TTL <= 0 || len(alive.Keys) != 1 {
		l.Errorf("the lease: %v, %v", alive, err)
	}
	l.stop()
	l.running.Wait()
	l.failOnFaults()
	longest := l.watchers[0].events
	for _, w := range l.watchers {
		if len(w.events) > len(longest) {
			longest = w.events
		}
	}
	for n, w := range l.watchers {
		if !slices.Equal(w.events, longest[:len(w.events)]) {
			l.Errorf("violation: watcher %d was told something else than the others", n)
		}
	}
	for _, c := range l.acked {
		// What came after the last comparison may not have reached a watcher.
		if at := c.revision - 2; at < int64(len(longest)) && longest[at] != c {
			l.Errorf("violation: %v was acknowledged, but at its revision there is %v", c, longest[at])
		}
	}
	l.Logf("%d changes acknowledged, %d events, errors %v", len(l.acked), len(longest), l.errors)
	if len(l.acked) < 100 {
		l.Error("there was hardly any load")
	}
}
