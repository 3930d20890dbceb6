package server

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"interop/process"
)

// These variables of the environment make the tests of this file and its neighbours run longer than usual, and
// with other requests.
const (
	stepsVariable = "SAME_STEPS"
	seedVariable  = "SAME_SEED"
)

// number is that of a variable of the environment, or a usual one.
func number(variable string, usual int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return usual
}

// killEvery is after how many steps the member is killed and started again.
const killEvery = 600

// The same random requests, many of them senseless, go to a member and to a real etcd: answer by answer
// they say the same, though the member is killed now and then, and in the end both tell watchers the same
// history.
func TestSameAnswersAsEtcd(t *testing.T) {
	steps, first := number(stepsVariable, 2500), number(seedVariable, 0)
	for n := range 3 {
		seed := uint64(first + n)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			member := process.Start(t, "--unsafe-no-fsync")
			ours := member.Connect()
			real := startReal(t, func(*embed.Config) {})
			run := &comparison{t, t.Context(), ours.ActiveConnection(), real.ActiveConnection(), newRequests(seed)}
			for step := range steps {
				run.step(step)
				if step%killEvery == killEvery-1 {
					member.Kill()
					member.Restart()
					run.requests.forgetHashes()
				}
				if step%10_000 == 9_999 {
					t.Logf("%d requests", step+1)
				}
			}
			run.compareHistories(ours, real)
			t.Logf("%d requests compared", steps)
		})
	}
}

type comparison struct {
	*testing.T
	ctx        context.Context
	ours, real *grpc.ClientConn
	requests   *requests
}

func (c *comparison) step(step int) {
	c.Helper()
	c.same(step, c.requests.next())
}

// same sends a request to both.
func (c *comparison) same(step int, request proto.Message) {
	c.Helper()
	want, revision := answer(c.ctx, c.real, request)
	got, _ := answer(c.ctx, c.ours, request)
	if got != want {
		c.Fatalf("step %d: %T{%s}\nours: %s\nreal: %s", step, request, prototext.Format(request), got, want)
	}
	if revision > 0 {
		c.requests.revision = revision
	}
	if txn, ok := request.(*pb.TxnRequest); ok {
		// Another one at this revision may have been the one that made it.
		if puts, deletes := kinds(txn); puts && deletes {
			c.requests.fatal[revision] = true
		}
	}
}

// kinds tells whether a transaction has puts, and deletions.
func kinds(txn *pb.TxnRequest) (puts, deletes bool) {
	for _, operation := range slices.Concat(txn.GetSuccess(), txn.GetFailure()) {
		innerPuts, innerDeletes := kinds(operation.GetRequestTxn())
		puts = puts || innerPuts || operation.GetRequestPut() != nil
		deletes = deletes || innerDeletes || operation.GetRequestDeleteRange() != nil
	}
	return puts, deletes
}

// answer sends a request and writes its answer, or its error, without what differs between members.
func answer(ctx context.Context, connection *grpc.ClientConn, request proto.Message) (string, int64) {
	kv, lease := pb.NewKVClient(connection), pb.NewLeaseClient(connection)
	wait := grpc.WaitForReady(true) // the member may have been restarted
	switch request := request.(type) {
	case *pb.RangeRequest:
		return write(kv.Range(ctx, request, wait))
	case *pb.PutRequest:
		return write(kv.Put(ctx, request, wait))
	case *pb.DeleteRangeRequest:
		return write(kv.DeleteRange(ctx, request, wait))
	case *pb.TxnRequest:
		return write(kv.Txn(ctx, request, wait))
	case *pb.CompactionRequest:
		return write(kv.Compact(ctx, request, wait))
	case *pb.LeaseGrantRequest:
		return write(lease.LeaseGrant(ctx, request, wait))
	case *pb.LeaseRevokeRequest:
		return write(lease.LeaseRevoke(ctx, request, wait))
	case *pb.LeaseTimeToLiveRequest:
		response, err := lease.LeaseTimeToLive(ctx, request, wait)
		if err == nil {
			response.TTL = min(response.TTL, 0) // what remains differs
			slices.SortFunc(response.Keys, slices.Compare)
		}
		return write(response, err)
	case *pb.HashKVRequest:
		return write(pb.NewMaintenanceClient(connection).HashKV(ctx, request, wait))
	}
	panic(fmt.Sprintf("%T is not sent", request))
}

func write[R interface {
	proto.Message
	GetHeader() *pb.ResponseHeader
}](response R, err error) (string, int64) {
	if err != nil {
		got, _ := status.FromError(err)
		return fmt.Sprintf("%v: %s", got.Code(), got.Message()), 0
	}
	header := response.GetHeader()
	header.ClusterId, header.MemberId, header.RaftTerm = 0, 0, 0
	text, _ := prototext.MarshalOptions{Multiline: true}.Marshal(response)
	return normal(text), header.Revision
}

// normal takes out the spaces that prototext varies on purpose.
func normal(text []byte) string {
	words := make([]byte, 0, len(text))
	for _, b := range text {
		if b != ' ' {
			words = append(words, b)
		}
	}
	return string(words)
}

func (c *comparison) compareHistories(ours, real *clientv3.Client) {
	c.Helper()
	compacted := c.requests.compacted
	watch := func(client *clientv3.Client) []*clientv3.Event {
		var found []*clientv3.Event
		options := []clientv3.OpOption{
			clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithRev(max(compacted, 1)),
		}
		ctx, cancel := context.WithCancel(c.ctx)
		defer cancel()
		for response := range client.Watch(ctx, "", options...) {
			if err := response.Err(); err != nil {
				c.Fatal(err)
			}
			found = append(found, response.Events...)
			if len(found) > 0 && found[len(found)-1].Kv.ModRevision == c.requests.revision {
				return found
			}
		}
		c.Fatal("the watch ended")
		return nil
	}
	// A last change tells where to stop.
	c.requests.revision++
	for _, client := range []*clientv3.Client{ours, real} {
		if _, err := client.Put(c.ctx, "end", "end"); err != nil {
			c.Fatal(err)
		}
	}
	a, b := watch(ours), watch(real)
	if len(a) != len(b) {
		c.Fatalf("%d events here, %d there", len(a), len(b))
	}
	for n := range a {
		if a[n].Type != b[n].Type || !proto.Equal(a[n].Kv, b[n].Kv) || !proto.Equal(a[n].PrevKv, b[n].PrevKv) {
			c.Fatalf("event %d: %v here, %v there", n, a[n], b[n])
		}
	}
}

// requests makes random requests over few keys, so that they meet.
type requests struct {
	source    *rand.Rand
	revision  int64 // of the store
	compacted int64
	// Compactions whose hashes a restarted member does not remember.
	forgotten map[int64]bool
	remember  []int64
	// Revisions that may have deleted and put the same key. A compaction to such a one takes the key's last
	// value away from a real etcd, which dies when somebody reads it.
	fatal map[int64]bool
}

// forgetHashes is told that the member was restarted.
func (r *requests) forgetHashes() {
	for _, revision := range r.remember {
		r.forgotten[revision] = true
	}
}

func (r *requests) hash() *pb.HashKVRequest {
	revision := r.past()
	if r.forgotten[revision] {
		revision = 0
	}
	return &pb.HashKVRequest{Revision: revision}
}

func newRequests(seed uint64) *requests {
	source := rand.New(rand.NewPCG(seed, 1))
	return &requests{source: source, revision: 1, compacted: -1, forgotten: map[int64]bool{}, fatal: map[int64]bool{}}
}

func (r *requests) next() proto.Message {
	switch n := r.source.IntN(100); {
	case n < 25:
		return r.put()
	case n < 45:
		return r.ranged()
	case n < 55:
		return r.deletion()
	case n < 85:
		return r.txn(2, true)
	case n < 86:
		return r.compaction()
	case n < 89:
		return &pb.LeaseGrantRequest{ID: r.leaseID(), TTL: 100_000}
	case n < 91:
		return &pb.LeaseRevokeRequest{ID: r.leaseID()}
	case n < 94:
		return &pb.LeaseTimeToLiveRequest{ID: r.leaseID(), Keys: r.rarely(2)}
	default:
		return r.hash()
	}
}

// rarely is true once in `in` times.
func (r *requests) rarely(in int) bool { return r.source.IntN(in) == 0 }

// key is one of ten: so few pairs are sorted the same way by any sort.
func (r *requests) key() []byte {
	if r.rarely(60) {
		return nil
	}
	names := []string{"a", "aa", "b", "c", "d", "e", "f", "\x00", "g\x00", "\xff"}
	return []byte(names[r.source.IntN(len(names))])
}

func (r *requests) end() []byte {
	switch r.source.IntN(5) {
	case 0:
		return []byte{0}
	case 1, 2:
		return []byte{byte('a' + r.source.IntN(8))}
	default:
		return nil
	}
}

func (r *requests) leaseID() int64 { return int64(r.source.IntN(5)) + 1 }

// past is a revision around those that exist, mostly one that can be read.
func (r *requests) past() int64 {
	switch r.source.IntN(12) {
	case 0:
		return int64(r.source.IntN(4)) - 2
	case 1:
		return r.revision + int64(r.source.IntN(3))
	case 2:
		return r.compacted + int64(r.source.IntN(3)) - 1
	case 3, 4, 5, 6:
		return 0
	default:
		oldest := max(r.compacted, 1)
		return oldest + r.source.Int64N(max(r.revision-oldest, 1))
	}
}

func (r *requests) put() *pb.PutRequest {
	put := &pb.PutRequest{Key: r.key(), Value: fmt.Appendf(nil, "%d", r.source.IntN(20)), PrevKv: r.rarely(2)}
	if r.rarely(3) {
		put.Lease = r.leaseID()
	}
	if r.rarely(8) {
		put.IgnoreLease = true
		if !r.rarely(4) {
			put.Lease = 0
		}
	}
	if r.rarely(8) {
		put.IgnoreValue = true
		if !r.rarely(4) {
			put.Value = nil
		}
	}
	return put
}

func (r *requests) ranged() *pb.RangeRequest {
	ranged := &pb.RangeRequest{
		Key: r.key(), RangeEnd: r.end(), Revision: r.past(), Serializable: r.rarely(2), KeysOnly: r.rarely(4),
		CountOnly: r.rarely(8),
	}
	if r.rarely(2) {
		ranged.Limit = int64(r.source.IntN(8)) - 1
	}
	if r.rarely(3) {
		ranged.SortOrder = pb.RangeRequest_SortOrder(r.source.IntN(3))
		ranged.SortTarget = pb.RangeRequest_SortTarget(r.source.IntN(5))
	}
	if r.rarely(100) {
		ranged.SortOrder, ranged.SortTarget = 3, 5
	}
	for _, filter := range []*int64{
		&ranged.MinModRevision, &ranged.MaxModRevision, &ranged.MinCreateRevision, &ranged.MaxCreateRevision,
	} {
		if r.rarely(12) {
			*filter = r.past()
		}
	}
	return ranged
}

func (r *requests) deletion() *pb.DeleteRangeRequest {
	return &pb.DeleteRangeRequest{Key: r.key(), RangeEnd: r.end(), PrevKv: r.rarely(2)}
}

func (r *requests) compaction() *pb.CompactionRequest {
	// Mostly the older half of what is there, so that history remains.
	revision := r.compacted + (r.revision-r.compacted)/2
	if r.rarely(3) {
		revision = r.past()
	}
	for r.fatal[revision] {
		revision--
	}
	if revision == 0 {
		revision-- // After a compaction to 0 a real etcd takes its hash for the current one.
	}
	if revision > r.compacted && revision <= r.revision {
		r.compacted = revision
		r.remember = append(r.remember, revision)
	}
	// Physical, so that both have remembered its hash when they answer.
	return &pb.CompactionRequest{Revision: revision, Physical: true}
}

// txn nests up to `depth` further transactions. The real etcd dies of a deletion with an open end followed
// by a put that keeps what was deleted: a transaction has one or the other.
func (r *requests) txn(depth int, keeps bool) *pb.TxnRequest {
	keeps = keeps && r.rarely(2)
	txn := &pb.TxnRequest{}
	for range r.source.IntN(3) {
		txn.Compare = append(txn.Compare, r.compare())
	}
	for range r.source.IntN(4) {
		txn.Success = append(txn.Success, r.operation(depth, keeps))
	}
	for range r.source.IntN(3) {
		txn.Failure = append(txn.Failure, r.operation(depth, keeps))
	}
	return txn
}

func (r *requests) operation(depth int, keeps bool) *pb.RequestOp {
	switch n := r.source.IntN(20); {
	case n < 7:
		ranged := r.ranged()
		if r.rarely(2) {
			ranged.Revision = 0
		}
		return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: ranged}}
	case n < 14:
		put := r.put()
		if !keeps {
			put.IgnoreLease, put.IgnoreValue = false, false
		}
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: put}}
	case n < 17:
		deletion := r.deletion()
		if keeps {
			deletion.RangeEnd = nil
		}
		return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: deletion}}
	case n < 19 && depth > 0:
		// The inner one may do what the outer one may.
		inner := r.inner(depth-1, keeps)
		return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: inner}}
	default:
		if r.rarely(10) {
			return &pb.RequestOp{}
		}
		return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: r.key()}}}
	}
}

func (r *requests) inner(depth int, keeps bool) *pb.TxnRequest {
	txn := &pb.TxnRequest{}
	if r.rarely(2) {
		txn.Compare = append(txn.Compare, r.compare())
	}
	for range r.source.IntN(3) {
		txn.Success = append(txn.Success, r.operation(depth, keeps))
		txn.Failure = append(txn.Failure, r.operation(depth, keeps))
	}
	return txn
}

func (r *requests) compare() *pb.Compare {
	compare := &pb.Compare{
		Result: pb.Compare_CompareResult(r.source.IntN(4)), Target: pb.Compare_CompareTarget(r.source.IntN(5)), Key: r.key(),
	}
	if r.rarely(5) {
		compare.RangeEnd = r.end()
	}
	if r.rarely(50) {
		compare.Result, compare.Target = pb.Compare_CompareResult(r.source.IntN(9)), pb.Compare_CompareTarget(r.source.IntN(9))
	}
	kind := int32(compare.Target)
	if r.rarely(20) {
		kind = r.source.Int32N(5)
	}
	switch kind {
	case 0:
		compare.TargetUnion = &pb.Compare_Version{Version: int64(r.source.IntN(4))}
	case 1:
		compare.TargetUnion = &pb.Compare_CreateRevision{CreateRevision: r.past()}
	case 2:
		compare.TargetUnion = &pb.Compare_ModRevision{ModRevision: r.past()}
	case 3:
		compare.TargetUnion = &pb.Compare_Value{Value: fmt.Appendf(nil, "%d", r.source.IntN(20))}
	case 4:
		compare.TargetUnion = &pb.Compare_Lease{Lease: r.leaseID() - 1}
	}
	return compare
}
