package client

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
)

// txn runs a transaction of `ops` alone.
func (e *env) txn(ops ...clientv3.Op) (*clientv3.TxnResponse, error) {
	return e.c.Txn(e.ctx).Then(ops...).Commit()
}

// holds tells whether compares hold.
func (e *env) holds(compares ...clientv3.Cmp) bool {
	e.Helper()
	response, err := e.c.Txn(e.ctx).If(compares...).Commit()
	e.check(err)
	return response.Succeeded
}

func TestTxnCompares(t *testing.T) {
	e := start(t)
	lease := e.grant(60)
	e.put("pad", "")
	e.put("k", "m", clientv3.WithLease(lease)) // created 3
	e.put("k", "m", clientv3.WithLease(lease)) // modified 4, version 2
	id := int64(lease)
	type numbers struct {
		target         clientv3.Cmp
		below, at, top int64
	}
	for _, c := range []numbers{
		{clientv3.Version("k"), 1, 2, 3},
		{clientv3.CreateRevision("k"), 2, 3, 4},
		{clientv3.ModRevision("k"), 3, 4, 5},
		{clientv3.LeaseValue("k"), id - 1, id, id + 1},
		{clientv3.Version("none"), -1, 0, 1},
		{clientv3.CreateRevision("none"), -1, 0, 1},
		{clientv3.ModRevision("none"), -1, 0, 1},
		{clientv3.LeaseValue("none"), -1, 0, 1},
	} {
		for result, want := range map[string][3]bool{
			"=": {false, true, false}, "!=": {true, false, true}, ">": {true, false, false}, "<": {false, false, true},
		} {
			for n, given := range []int64{c.below, c.at, c.top} {
				what := fmt.Sprintf("%v %s %d", c.target.GetCompare(), result, given)
				e.equal(what, e.holds(clientv3.Compare(c.target.Clone(), result, given)), want[n])
			}
		}
	}
	for _, c := range []struct {
		key, result, given string
		want               bool
	}{
		{"k", "=", "m", true}, {"k", "=", "n", false}, {"k", "!=", "m", false}, {"k", "!=", "n", true},
		{"k", ">", "a", true}, {"k", ">", "m", false}, {"k", "<", "n", true}, {"k", "<", "m", false}, {"k", ">", "", true},
		{"none", "=", "", false}, {"none", "!=", "x", false}, {"none", "<", "x", false}, {"none", ">", "", false},
	} {
		got := e.holds(clientv3.Compare(clientv3.Value(c.key), c.result, c.given))
		e.equal(fmt.Sprintf("value of %s %s %q", c.key, c.result, c.given), got, c.want)
	}
	yes, no := clientv3.Compare(clientv3.Version("k"), "=", 2), clientv3.Compare(clientv3.Version("k"), "=", 9)
	e.equal("all must hold", [3]bool{e.holds(yes, yes), e.holds(yes, no), e.holds(no, yes)}, [3]bool{true, false, false})
	e.equal("nothing to hold", e.holds(), true)
}

func TestTxnCompareRanges(t *testing.T) {
	e := start(t)
	for _, key := range []string{"p/a", "p/b", "p/c"} {
		e.put(key, "same")
	}
	same := clientv3.Compare(clientv3.Value("p/").WithPrefix(), "=", "same")
	first := clientv3.Compare(clientv3.Version("p/").WithPrefix(), "=", 1)
	e.equal("all keys", e.holds(same, first), true)
	e.put("p/b", "other")
	e.equal("one key differs", [2]bool{e.holds(same), e.holds(first)}, [2]bool{false, false})
	e.equal("outside the range", e.holds(clientv3.Compare(clientv3.Value("p/b\x00").WithRange("p/z"), "=", "same")), true)
	e.equal("an empty range is a missing key", e.holds(clientv3.Compare(clientv3.Version("q/").WithPrefix(), "=", 0)), true)
	e.equal("and has no value", e.holds(clientv3.Compare(clientv3.Value("q/").WithPrefix(), "!=", "x")), false)
}

// Numbers outside the enums do what etcd does with them.
func TestTxnStrangeCompares(t *testing.T) {
	e := start(t)
	e.put("k", "v")
	raw := pb.NewKVClient(e.c.ActiveConnection())
	holds := func(compare *pb.Compare) bool {
		compare.Key = []byte("k")
		response, err := raw.Txn(e.ctx, &pb.TxnRequest{Compare: []*pb.Compare{compare}})
		e.check(err)
		return response.Succeeded
	}
	e.equal("unknown result", holds(&pb.Compare{Result: 9, Target: pb.Compare_VERSION}), true)
	e.equal("unknown target is equal", holds(&pb.Compare{Target: 9}), true)
	e.equal("unknown target is not less", holds(&pb.Compare{Target: 9, Result: pb.Compare_LESS}), false)
	other := &pb.Compare{Target: pb.Compare_VERSION, TargetUnion: &pb.Compare_Value{Value: []byte("v")}}
	e.equal("another kind's value counts as zero", holds(other), false)
	_, err := raw.Txn(e.ctx, &pb.TxnRequest{Success: []*pb.RequestOp{{}}})
	e.failsAs(err, codes.InvalidArgument, "etcdserver: key not found")
}

func TestTxnResults(t *testing.T) {
	e := start(t)
	e.put("a", "1") // 2
	response, err := e.txn(
		clientv3.OpGet("a"),
		clientv3.OpPut("b", "2", clientv3.WithPrevKV()),
		clientv3.OpPut("a", "3", clientv3.WithPrevKV()),
		clientv3.OpGet("", clientv3.WithPrefix()),
		clientv3.OpDelete("b", clientv3.WithPrevKV()),
		clientv3.OpGet("", clientv3.WithPrefix()),
		clientv3.OpTxn(nil, nil, nil),
	)
	// A deletion that covers a put of the same transaction is refused.
	e.fails(err, rpctypes.ErrDuplicateKey)
	e.put("c", "x") // 3
	response, err = e.txn(
		clientv3.OpGet("a"),
		clientv3.OpPut("b", "2", clientv3.WithPrevKV()),
		clientv3.OpPut("a", "3", clientv3.WithPrevKV()),
		clientv3.OpGet("", clientv3.WithPrefix()),
		clientv3.OpDelete("c", clientv3.WithPrevKV()),
		clientv3.OpGet("", clientv3.WithPrefix()),
		clientv3.OpTxn(nil, []clientv3.Op{clientv3.OpPut("d", "4")}, nil),
	)
	e.check(err)
	e.equal("header", response.Header.Revision, int64(4))
	r := response.Responses
	e.equal("before any change", pairs(r[0].GetResponseRange().Kvs), "a=1")
	e.equal("revision before any change", r[0].GetResponseRange().Header.Revision, int64(3))
	e.equal("put of a new key", r[1].GetResponsePut().PrevKv == nil, true)
	e.equal("put's revision", r[1].GetResponsePut().Header.Revision, int64(4))
	e.equal("put's previous pair", string(r[2].GetResponsePut().PrevKv.Value), "1")
	e.equal("sees the changes", pairs(r[3].GetResponseRange().Kvs), "a=3 b=2 c=x")
	e.equal("revision after a change", r[3].GetResponseRange().Header.Revision, int64(4))
	e.equal("deleted", pairs(r[4].GetResponseDeleteRange().PrevKvs), "c=x")
	e.equal("sees the deletion", pairs(r[5].GetResponseRange().Kvs), "a=3 b=2")
	e.equal("a nested header is there and empty", r[6].GetResponseTxn().Header.GetRevision(), int64(0))
	e.equal("it is there", r[6].GetResponseTxn().Header != nil, true)
	for _, kv := range e.get("", clientv3.WithPrefix()).Kvs {
		e.equal("one revision for all", kv.ModRevision, int64(4))
	}
}

func TestTxnBranches(t *testing.T) {
	e := start(t)
	run := func(branch bool) *clientv3.TxnResponse {
		version := map[bool]int{true: 0, false: 9}[branch]
		response, err := e.c.Txn(e.ctx).
			If(clientv3.Compare(clientv3.Version("none"), "=", version)).
			Then(clientv3.OpPut("k", "then")).
			Else(clientv3.OpPut("k", "else"), clientv3.OpPut("l", "else")).
			Commit()
		e.check(err)
		e.equal("branch", response.Succeeded, branch)
		return response
	}
	e.equal("answers", len(run(true).Responses), 1)
	e.equal("value", string(e.get("k").Kvs[0].Value), "then")
	e.equal("answers", len(run(false).Responses), 2)
	e.equal("value", string(e.get("k").Kvs[0].Value), "else")
}

// All compares, nested ones too, see the state before the transaction.
func TestTxnNesting(t *testing.T) {
	e := start(t)
	absent := clientv3.Compare(clientv3.CreateRevision("a"), "=", 0)
	inner := clientv3.OpTxn(
		[]clientv3.Cmp{absent},
		[]clientv3.Op{clientv3.OpPut("inner", "then")},
		[]clientv3.Op{clientv3.OpPut("inner", "else")},
	)
	for _, want := range []string{"then", "else"} {
		_, err := e.txn(clientv3.OpPut("a", "x"), inner, clientv3.OpGet("inner"))
		e.check(err)
		e.equal("decided before", string(e.get("inner").Kvs[0].Value), want)
	}
	e.equal("revisions", e.get("a").Header.Revision, int64(3))
}

func TestTxnReadOnly(t *testing.T) {
	e := start(t)
	e.put("a", "1")
	e.put("a", "2")
	response, err := e.txn(clientv3.OpGet("a"), clientv3.OpGet("a", clientv3.WithRev(2), clientv3.WithSerializable()))
	e.check(err)
	e.equal("header", response.Header.Revision, int64(3))
	e.equal("now", pairs(response.Responses[0].GetResponseRange().Kvs), "a=2")
	e.equal("then", pairs(response.Responses[1].GetResponseRange().Kvs), "a=1")
	response, err = e.txn()
	e.check(err)
	e.equal("an empty transaction", [2]any{response.Succeeded, response.Header.Revision}, [2]any{true, int64(3)})
	response, err = e.txn(clientv3.OpDelete("none"))
	e.check(err)
	e.equal("nothing changed", response.Header.Revision, int64(3))
	_, err = e.txn(clientv3.OpGet("a", clientv3.WithRev(99)))
	e.fails(err, errFuture)
}

// What the chosen path asks for is checked before anything is written; the other branch is not.
func TestTxnAllOrNothing(t *testing.T) {
	e := start(t)
	e.put("a", "1")
	for want, bad := range map[error]clientv3.Op{
		rpctypes.ErrLeaseNotFound: clientv3.OpPut("z", "v", clientv3.WithLease(99)),
		rpctypes.ErrKeyNotFound:   clientv3.OpPut("z", "", clientv3.WithIgnoreValue()),
		rpctypes.ErrFutureRev:     clientv3.OpGet("a", clientv3.WithRev(99)),
	} {
		_, err := e.txn(clientv3.OpPut("a", "2"), bad)
		e.fails(err, want)
		_, err = e.txn(clientv3.OpPut("a", "2"), clientv3.OpTxn(nil, []clientv3.Op{bad}, nil))
		e.fails(err, want)
		_, err = e.c.Txn(e.ctx).Then(clientv3.OpGet("a")).Else(bad).Commit()
		e.check(err)
	}
	kv := e.get("a")
	e.equal("unchanged", [2]any{pairs(kv.Kvs), kv.Header.Revision}, [2]any{"a=1", int64(2)})
	_, err := e.txn(clientv3.OpPut("z", "v"), clientv3.OpPut("y", "v", clientv3.WithIgnoreValue()))
	e.fails(err, rpctypes.ErrValueProvided)

	// A range inside a transaction takes a negative revision for a past one.
	_, err = e.txn(clientv3.OpPut("a", "2"), clientv3.OpGet("a", clientv3.WithRev(-1)))
	e.check(err)
	e.compact(3)
	_, err = e.txn(clientv3.OpPut("a", "3"), clientv3.OpGet("a", clientv3.WithRev(-1)))
	e.fails(err, errCompacted)
	_, err = e.txn(clientv3.OpPut("a", "3"), clientv3.OpGet("a", clientv3.WithRev(2)))
	e.fails(err, errCompacted)
}

func TestTxnDuplicates(t *testing.T) {
	notWithin(t, "--namespace", "ranges without an end have one in a namespace, and are looked at for duplicates")
	e := start(t)
	put := func(key string) clientv3.Op { return clientv3.OpPut(key, "v") }
	del := func(key string, options ...clientv3.OpOption) clientv3.Op { return clientv3.OpDelete(key, options...) }
	txn := func(then []clientv3.Op, or ...clientv3.Op) clientv3.Op { return clientv3.OpTxn(nil, then, or) }
	ops := func(ops ...clientv3.Op) []clientv3.Op { return ops }
	for n, c := range []struct {
		ops     []clientv3.Op
		refused bool
	}{
		{ops(put("a"), put("a")), true},
		{ops(put("a"), put("b")), false},
		{ops(put("a"), del("a")), true},
		{ops(del("a"), put("a")), true},
		{ops(put("b"), del("a", clientv3.WithRange("c"))), true},
		{ops(put("c"), del("a", clientv3.WithRange("c"))), false},
		{ops(del("a"), del("a")), false},
		{ops(put("b"), del("b", clientv3.WithFromKey())), false},
		{ops(put("b"), del("c", clientv3.WithRange("a"))), false},
		{ops(put("a"), txn(ops(put("a")))), true},
		{ops(txn(ops(put("a")), put("a"))), false},
		{ops(txn(ops(put("a"))), txn(ops(put("a")))), true},
		{ops(txn(ops(put("a"))), txn(nil, put("a"))), true},
		{ops(txn(ops(put("a"))), txn(ops(put("b")))), false},
		{ops(txn(ops(put("a"))), txn(ops(del("a")))), false},
		{ops(txn(ops(del("a"))), txn(ops(put("a")))), true},
		{ops(txn(ops(txn(ops(put("a")))), put("a"))), false},
		{ops(put("a"), txn(ops(txn(ops(put("a")))))), true},
	} {
		_, err := e.txn(c.ops...)
		if refused := errors.Is(err, rpctypes.ErrDuplicateKey); refused != c.refused || (err != nil && !refused) {
			e.Errorf("case %d: got %v, refused should be %v", n, err, c.refused)
		}
	}
}

func TestTxnLimits(t *testing.T) {
	e := start(t)
	puts := func(count int, prefix string) (ops []clientv3.Op) {
		for n := range count {
			ops = append(ops, clientv3.OpPut(prefix+strconv.Itoa(n), "v"))
		}
		return ops
	}
	_, err := e.txn(puts(128, "k")...)
	e.check(err)
	_, err = e.txn(puts(129, "k")...)
	e.fails(err, rpctypes.ErrTooManyOps)
	compares := make([]clientv3.Cmp, 129)
	for n := range compares {
		compares[n] = clientv3.Compare(clientv3.Version("none"), "=", 0)
	}
	_, err = e.c.Txn(e.ctx).If(compares[:128]...).Commit()
	e.check(err)
	_, err = e.c.Txn(e.ctx).If(compares...).Commit()
	e.fails(err, rpctypes.ErrTooManyOps)
	_, err = e.c.Txn(e.ctx).Else(puts(129, "k")...).Commit()
	e.fails(err, rpctypes.ErrTooManyOps)

	// What the outer transaction uses, the inner one lacks.
	inner := clientv3.OpTxn(nil, puts(118, "n"), nil)
	_, err = e.txn(append(puts(9, "k"), inner)...)
	e.check(err)
	_, err = e.txn(append(puts(10, "k"), inner)...)
	e.fails(err, rpctypes.ErrTooManyOps)
	_, err = e.txn(clientv3.OpPut("", "v"))
	e.fails(err, rpctypes.ErrEmptyKey)
	_, err = e.c.Txn(e.ctx).Else(clientv3.OpTxn(nil, nil, []clientv3.Op{clientv3.OpGet("")})).Commit()
	e.fails(err, rpctypes.ErrEmptyKey)
}

// The real server dies of this, and again at every start: its log holds the entry. Here the answer
// is that of a put on a missing key, and no revision is spent.
func TestTxnOnlyOursDeleteThenKeep(t *testing.T) {
	notWithin(t, "--namespace", "ranges without an end have one in a namespace, and are looked at for duplicates")
	e := start(t)
	e.put("k", "v", clientv3.WithLease(e.grant(60)))
	for _, keep := range []clientv3.OpOption{clientv3.WithIgnoreValue(), clientv3.WithIgnoreLease()} {
		_, err := e.txn(clientv3.OpDelete("\x00", clientv3.WithFromKey()), clientv3.OpPut("k", "", keep))
		e.fails(err, rpctypes.ErrKeyNotFound)
	}
	after := e.get("k")
	e.equal("untouched", [2]any{pairs(after.Kvs), after.Header.Revision}, [2]any{"k=v", int64(2)})
	e.member.Kill()
	e.member.Restart()
	e.equal("untouched after a restart", pairs(e.get("k").Kvs), "k=v")
	e.equal("still writes", e.put("k", "w").Header.Revision, int64(3))
}

// Optimistic increments from many clients: none is lost.
func TestTxnContention(t *testing.T) {
	e := start(t)
	const clients, rounds = 8, 25
	e.put("n", "0")
	var group sync.WaitGroup
	for range clients {
		client := e.member.Connect()
		group.Go(func() {
			for done := 0; done < rounds; {
				found, err := client.Get(e.ctx, "n")
				if err != nil {
					e.Error(err)
					return
				}
				old, _ := strconv.Atoi(string(found.Kvs[0].Value))
				response, err := client.Txn(e.ctx).
					If(clientv3.Compare(clientv3.ModRevision("n"), "=", found.Kvs[0].ModRevision)).
					Then(clientv3.OpPut("n", strconv.Itoa(old+1))).
					Commit()
				if err != nil {
					e.Error(err)
					return
				}
				if response.Succeeded {
					done++
				}
			}
		})
	}
	group.Wait()
	kv := e.get("n").Kvs[0]
	e.equal("sum", string(kv.Value), strconv.Itoa(clients*rounds))
	e.equal("no failed attempt has a revision", kv.ModRevision, int64(2+clients*rounds))
}

func TestTxnBig(t *testing.T) {
	notWithin(t, "grpc-proxy", "the proxy has a limit of its own before that of the member")
	e := start(t)
	value := strings.Repeat("v", 100_000)
	var ops []clientv3.Op
	for n := range 15 {
		ops = append(ops, clientv3.OpPut(strconv.Itoa(n), value))
	}
	_, err := e.txn(ops...)
	e.check(err)
	_, err = e.txn(append(ops, clientv3.OpPut("x", value))...)
	e.fails(err, rpctypes.ErrRequestTooLarge)
	all := e.get("", clientv3.WithPrefix())
	e.equal("pairs", all.Count, int64(15))
}
