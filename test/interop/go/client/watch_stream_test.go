package client

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"
)

// stream is one watch stream as it is on the wire.
type stream struct {
	*env
	open      pb.Watch_WatchClient
	responses chan *pb.WatchResponse
}

func (e *env) stream() *stream {
	e.Helper()
	ctx, cancel := context.WithCancel(e.ctx)
	open, err := pb.NewWatchClient(e.member.Connect().ActiveConnection()).Watch(ctx)
	e.check(err)
	s := &stream{e, open, make(chan *pb.WatchResponse, 1000)}
	go func() {
		defer close(s.responses)
		for {
			response, err := open.Recv()
			if err != nil {
				return
			}
			s.responses <- response
		}
	}()
	e.Cleanup(cancel)
	return s
}

func (s *stream) create(request *pb.WatchCreateRequest) {
	s.Helper()
	s.check(s.open.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: request}}))
}

func (s *stream) cancel(id int64) {
	s.Helper()
	cancel := &pb.WatchCancelRequest{WatchId: id}
	s.check(s.open.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CancelRequest{CancelRequest: cancel}}))
}

func (s *stream) requestProgress() {
	s.Helper()
	progress := &pb.WatchProgressRequest{}
	s.check(s.open.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: progress}}))
}

func (s *stream) receive() *pb.WatchResponse {
	s.Helper()
	select {
	case response, open := <-s.responses:
		if !open {
			s.Fatal("the stream ended")
		}
		return response
	case <-time.After(30 * time.Second):
		s.Fatal("no response arrived")
	}
	panic("unreachable")
}

// wants compares the next response, header apart, with what it should be.
func (s *stream) wants(want *pb.WatchResponse) *pb.WatchResponse {
	s.Helper()
	got := s.receive()
	bare := proto.CloneOf(got)
	bare.Header = nil
	if !proto.Equal(bare, want) {
		s.Fatalf("got %v, want %v", bare, want)
	}
	return got
}

// wantsSilence checks that nothing comes before the answer to another request.
func (s *stream) wantsSilence() {
	s.Helper()
	s.create(&pb.WatchCreateRequest{Key: []byte("silence"), WatchId: 4242})
	s.wants(&pb.WatchResponse{WatchId: 4242, Created: true})
	s.cancel(4242)
	s.wants(&pb.WatchResponse{WatchId: 4242, Canceled: true})
}

func TestWatchStreamIds(t *testing.T) {
	e := start(t)
	s := e.stream()
	key := []byte("k")
	for id := range int64(2) {
		s.create(&pb.WatchCreateRequest{Key: key})
		s.wants(&pb.WatchResponse{WatchId: id, Created: true})
	}
	for _, id := range []int64{2, 77, -5} {
		s.create(&pb.WatchCreateRequest{Key: key, WatchId: id})
		s.wants(&pb.WatchResponse{WatchId: id, Created: true})
	}
	s.create(&pb.WatchCreateRequest{Key: key})
	s.wants(&pb.WatchResponse{WatchId: 3, Created: true})
	s.create(&pb.WatchCreateRequest{Key: key, WatchId: 77})
	s.wants(&pb.WatchResponse{
		WatchId: -1, Created: true, Canceled: true,
		CancelReason: "mvcc: duplicate watch ID provided on the WatchStream",
	})
	s.cancel(77)
	s.wants(&pb.WatchResponse{WatchId: 77, Canceled: true})
	s.cancel(77)
	s.cancel(123456)
	s.create(&pb.WatchCreateRequest{Key: key, WatchId: 77})
	s.wants(&pb.WatchResponse{WatchId: 77, Created: true})
	s.cancel(0)
	s.wants(&pb.WatchResponse{WatchId: 0, Canceled: true})
	s.create(&pb.WatchCreateRequest{Key: key})
	s.wants(&pb.WatchResponse{WatchId: 4, Created: true})
	e.put("k", "v")
	seen := map[int64]bool{}
	for range 6 {
		response := s.receive()
		e.equal("event", len(response.Events), 1)
		seen[response.WatchId] = true
	}
	e.equal("watchers", seen, map[int64]bool{1: true, 2: true, 3: true, 4: true, 77: true, -5: true})
}

func TestWatchStreamRefusals(t *testing.T) {
	e := start(t)
	for range 4 {
		e.put("k", "v") // 2 to 5
	}
	e.compact(4)
	s := e.stream()
	s.create(&pb.WatchCreateRequest{Key: []byte("b"), RangeEnd: []byte("a")})
	s.wants(&pb.WatchResponse{WatchId: -1, Created: true, Canceled: true, CancelReason: "mvcc: watcher range is empty"})
	s.create(&pb.WatchCreateRequest{Key: []byte("b"), RangeEnd: []byte("b")})
	s.wants(&pb.WatchResponse{WatchId: -1, Created: true, Canceled: true, CancelReason: "mvcc: watcher range is empty"})
	s.create(&pb.WatchCreateRequest{Key: []byte("b"), StartRevision: -1})
	s.wants(&pb.WatchResponse{
		WatchId: -1, Created: true, Canceled: true,
		CancelReason: "etcdserver: mvcc: required revision has been compacted",
	})
	s.create(&pb.WatchCreateRequest{Key: []byte("b"), RangeEnd: []byte("a"), StartRevision: -1})
	s.wants(&pb.WatchResponse{
		WatchId: -1, Created: true, Canceled: true,
		CancelReason: "etcdserver: mvcc: required revision has been compacted",
	})
	s.create(&pb.WatchCreateRequest{Key: []byte("k"), StartRevision: 3})
	created := s.wants(&pb.WatchResponse{WatchId: 0, Created: true})
	e.equal("revision when created", created.Header.Revision, int64(5))
	lost := s.wants(&pb.WatchResponse{WatchId: 0, Canceled: true, CompactRevision: 4})
	e.equal("revision when lost", lost.Header.Revision, int64(0))
	s.cancel(0)
	s.wants(&pb.WatchResponse{WatchId: 0, Canceled: true})
	// The stream goes on, and an empty key is the first one.
	check := s.open.Send(&pb.WatchRequest{})
	e.check(check)
	s.create(&pb.WatchCreateRequest{RangeEnd: []byte{0}, StartRevision: 5})
	s.wants(&pb.WatchResponse{WatchId: 1, Created: true})
	e.equal("event", string(s.receive().Events[0].Kv.Key), "k")
}

func TestWatchStreamProgress(t *testing.T) {
	e := start(t)
	e.put("k", "v") // 2
	s := e.stream()
	s.requestProgress()
	s.wantsSilence()
	s.create(&pb.WatchCreateRequest{Key: []byte("k")})
	s.wants(&pb.WatchResponse{WatchId: 0, Created: true})
	s.create(&pb.WatchCreateRequest{Key: []byte("l")})
	s.wants(&pb.WatchResponse{WatchId: 1, Created: true})
	s.requestProgress()
	e.equal("revision", s.wants(&pb.WatchResponse{WatchId: -1}).Header.Revision, int64(2))
	s.create(&pb.WatchCreateRequest{Key: []byte("k"), StartRevision: 10})
	s.wants(&pb.WatchResponse{WatchId: 2, Created: true})
	s.requestProgress()
	s.wantsSilence()
	s.cancel(2)
	s.wants(&pb.WatchResponse{WatchId: 2, Canceled: true})
	s.requestProgress()
	s.wants(&pb.WatchResponse{WatchId: -1})
}

// A client that has nothing more to say still hears.
func TestWatchStreamHalfClosed(t *testing.T) {
	e := start(t)
	s := e.stream()
	s.create(&pb.WatchCreateRequest{Key: []byte("k")})
	s.wants(&pb.WatchResponse{Created: true})
	e.check(s.open.CloseSend())
	time.Sleep(100 * time.Millisecond)
	e.put("k", "v")
	e.equal("event", string(s.receive().Events[0].Kv.Value), "v")
}

func TestWatchStreamFragments(t *testing.T) {
	e := start(t)
	value := string(bytes.Repeat([]byte("v"), 120_000))
	var ops []clientv3.Op
	for n := range 10 {
		ops = append(ops, clientv3.OpPut(fmt.Sprintf("k%d", n), value))
	}
	_, err := e.txn(ops...)
	e.check(err)
	s := e.stream()
	s.create(&pb.WatchCreateRequest{Key: []byte("k"), RangeEnd: []byte("l"), PrevKv: true, Fragment: true})
	s.wants(&pb.WatchResponse{Created: true})
	_, err = e.txn(ops...)
	e.check(err)
	const limit = 1572864 + 524288
	total, parts := 0, 0
	for more := true; more; parts++ {
		part := s.receive()
		if size := proto.Size(part); size > limit {
			e.Fatalf("a part of %d bytes", size)
		}
		e.equal("header", part.Header.Revision, int64(3))
		total += len(part.Events)
		more = part.Fragment
	}
	e.equal("events", total, 10)
	e.equal("in parts", parts > 1, true)
}

// Someone who does not read holds up nobody: neither writers nor other watchers.
func TestWatchStreamUnread(t *testing.T) {
	e := start(t)
	open, err := pb.NewWatchClient(e.member.Connect().ActiveConnection()).Watch(e.ctx)
	e.check(err)
	create := &pb.WatchCreateRequest{Key: []byte("k")}
	e.check(open.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: create}}))
	_, err = open.Recv()
	e.check(err)
	other := e.c.Watch(e.ctx, "k", clientv3.WithCreatedNotify())
	e.next(other)
	value := string(bytes.Repeat([]byte("v"), 500_000))
	const puts = 60
	begin := time.Now()
	for range puts {
		e.put("k", value)
	}
	e.collect(other, puts)
	if took := time.Since(begin); took > 30*time.Second {
		e.Fatalf("writers and another watcher were held up for %v", took)
	}
	// The one that slept finds everything, in order.
	for revision := int64(2); revision < 2+puts; {
		response, err := open.Recv()
		e.check(err)
		for _, event := range response.Events {
			e.equal("revision", event.Kv.ModRevision, revision)
			revision++
		}
	}
}
