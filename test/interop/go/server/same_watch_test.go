package server

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"

	"interop/process"
)

// quiet is longer than the real etcd takes to let watchers of the past catch up.
const quiet = 300 * time.Millisecond

// Random watchers over random changes: each of them hears the same from a member and from a real etcd.
func TestSameWatchesAsEtcd(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			ctx := limited(t)
			ours := process.Start(t, "--unsafe-no-fsync").Connect().ActiveConnection()
			real := startReal(t, func(*embed.Config) {}).ActiveConnection()
			run := &comparison{t, ctx, ours, real, newRequests(seed)}
			heard := [2]*listener{listen(t, ctx, ours), listen(t, ctx, real)}
			for step := range 600 {
				switch n := run.requests.source.IntN(60); {
				case n < 9:
					create := &pb.WatchRequest_CreateRequest{CreateRequest: run.requests.watch()}
					send(t, heard, &pb.WatchRequest{RequestUnion: create})
				case n < 10:
					time.Sleep(quiet)
					id := int64(run.requests.source.IntN(60))
					cancel := &pb.WatchRequest_CancelRequest{CancelRequest: &pb.WatchCancelRequest{WatchId: id}}
					send(t, heard, &pb.WatchRequest{RequestUnion: cancel})
				default:
					run.change(step)
				}
			}
			time.Sleep(3 * quiet)
			for id, want := range heard[1].all() {
				if got := heard[0].all()[id]; got != want {
					t.Errorf("watcher %d\nours: %s\nreal: %s", id, got, want)
				}
			}
			if got, want := len(heard[0].all()), len(heard[1].all()); got != want || want < 20 {
				t.Errorf("%d watchers here, %d there", got, want)
			}
		})
	}
}

// change makes a change on both, after which nobody who watches is behind any more if it is a compaction.
func (c *comparison) change(step int) {
	switch c.requests.source.IntN(40) {
	case 0:
		time.Sleep(quiet)
		c.same(step, c.requests.compaction())
	case 1:
		c.same(step, &pb.LeaseGrantRequest{ID: c.requests.leaseID(), TTL: 100_000})
	case 2:
		c.same(step, &pb.LeaseRevokeRequest{ID: c.requests.leaseID()})
	case 3, 4, 5, 6, 7, 8:
		c.same(step, c.requests.deletion())
	case 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19:
		c.same(step, c.requests.txn(1, true))
	default:
		c.same(step, c.requests.put())
	}
}

// watch is a watcher of anything, from any time on.
func (r *requests) watch() *pb.WatchCreateRequest {
	create := &pb.WatchCreateRequest{
		Key: r.key(), RangeEnd: r.end(), StartRevision: r.past(), PrevKv: r.rarely(2), Fragment: r.rarely(2),
	}
	if r.rarely(4) {
		create.Filters = append(create.Filters, pb.WatchCreateRequest_FilterType(r.source.IntN(3)))
	}
	if r.rarely(6) {
		create.WatchId = int64(r.source.IntN(60))
	}
	return create
}

func send(t *testing.T, heard [2]*listener, request *pb.WatchRequest) {
	t.Helper()
	for _, listener := range heard {
		if err := listener.stream.Send(request); err != nil {
			t.Fatal(err)
		}
	}
	// What comes next must not overtake the request.
	time.Sleep(5 * time.Millisecond)
}

// listener writes down what each watcher of a stream hears.
type listener struct {
	stream pb.Watch_WatchClient
	lock   sync.Mutex
	heard  map[int64]*strings.Builder
}

func listen(t *testing.T, ctx context.Context, connection *grpc.ClientConn) *listener {
	t.Helper()
	stream, err := pb.NewWatchClient(connection).Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{stream: stream, heard: map[int64]*strings.Builder{}}
	go func() {
		for {
			response, err := stream.Recv()
			if err != nil {
				return
			}
			l.write(response)
		}
	}()
	return l
}

// write leaves out how events are spread over responses.
func (l *listener) write(response *pb.WatchResponse) {
	l.lock.Lock()
	defer l.lock.Unlock()
	text := l.heard[response.WatchId]
	if text == nil {
		text = &strings.Builder{}
		l.heard[response.WatchId] = text
	}
	if response.Created || response.Canceled {
		fmt.Fprintf(text, "\ncreated %v canceled %v compacted %d %q", response.Created, response.Canceled,
			response.CompactRevision, response.CancelReason)
	}
	for _, event := range response.Events {
		fmt.Fprintf(text, "\n%v %s before %s", event.Type, pair(event.Kv), pair(event.PrevKv))
	}
}

func pair(kv *mvccpb.KeyValue) string {
	if kv == nil {
		return "nothing"
	}
	return fmt.Sprintf("%q=%q %d %d %d %d", kv.Key, kv.Value, kv.CreateRevision, kv.ModRevision, kv.Version, kv.Lease)
}

func (l *listener) all() map[int64]string {
	l.lock.Lock()
	defer l.lock.Unlock()
	all := map[int64]string{}
	for id, text := range l.heard {
		all[id] = text.String()
	}
	return all
}
