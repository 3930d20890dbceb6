package client

import (
	"context"
	"fmt"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

func TestKVRevisionsAndVersions(t *testing.T) {
	e := start(t)
	fresh := e.get("nothing")
	e.equal("revision of a fresh store", fresh.Header.Revision, int64(1))
	if fresh.Header.ClusterId == 0 || fresh.Header.MemberId == 0 || fresh.Header.RaftTerm == 0 {
		e.Fatalf("header %v lacks ids or term", fresh.Header)
	}
	for n := int64(0); n < 3; n++ {
		e.equal("revision of a put", e.put("k", "v").Header.Revision, 2+n)
	}
	e.equal("revision of a deletion", e.del("k").Header.Revision, int64(5))
	e.equal("revision of a deletion of nothing", e.del("k").Header.Revision, int64(5))
	e.put("k", "again")
	kv := e.get("k").Kvs[0]
	e.equal("a new life", [3]int64{kv.CreateRevision, kv.ModRevision, kv.Version}, [3]int64{6, 6, 1})
	kv = e.get("k", clientv3.WithRev(4)).Kvs[0]
	e.equal("the old life", [3]int64{kv.CreateRevision, kv.ModRevision, kv.Version}, [3]int64{2, 4, 3})
}

func TestKVPreviousPairs(t *testing.T) {
	e := start(t)
	if first := e.put("a", "1", clientv3.WithPrevKV()); first.PrevKv != nil {
		e.Fatalf("a first put has a previous pair: %v", first.PrevKv)
	}
	lease := e.grant(60)
	e.put("a", "2", clientv3.WithLease(lease))
	previous := e.put("a", "3", clientv3.WithPrevKV()).PrevKv
	e.equal("previous value", string(previous.Value), "2")
	e.equal("previous lease", previous.Lease, int64(lease))
	e.equal("previous version", previous.Version, int64(2))
	e.put("c", "5")
	e.put("b", "4")
	deleted := e.del("a", clientv3.WithFromKey(), clientv3.WithPrevKV())
	e.equal("deleted", deleted.Deleted, int64(3))
	e.equal("in the order of keys", pairs(deleted.PrevKvs), "a=3 b=4 c=5")
}

func TestKVRanges(t *testing.T) {
	e := start(t)
	for _, key := range []string{"a", "ab", "b", "b\x00", "b\xff", "c", "\xff\xff"} {
		e.put(key, key)
	}
	for _, c := range []struct {
		key     string
		options []clientv3.OpOption
		want    string
	}{
		{"b", nil, "b"},
		{"b", []clientv3.OpOption{clientv3.WithPrefix()}, "b b\x00 b\xff"},
		{"\xff", []clientv3.OpOption{clientv3.WithPrefix()}, "\xff\xff"},
		{"", []clientv3.OpOption{clientv3.WithPrefix()}, "a ab b b\x00 b\xff c \xff\xff"},
		{"b", []clientv3.OpOption{clientv3.WithFromKey()}, "b b\x00 b\xff c \xff\xff"},
		{"\x00", []clientv3.OpOption{clientv3.WithFromKey()}, "a ab b b\x00 b\xff c \xff\xff"},
		{"aa", []clientv3.OpOption{clientv3.WithRange("b\x00")}, "ab b"},
		{"c", []clientv3.OpOption{clientv3.WithRange("a")}, ""},
		{"c", []clientv3.OpOption{clientv3.WithRange("c")}, ""},
		{"none", nil, ""},
	} {
		found := e.get(c.key, c.options...)
		e.equal(fmt.Sprintf("range from %q", c.key), keys(found.Kvs), c.want)
		e.equal("count", found.Count, int64(len(found.Kvs)))
		serializable := e.get(c.key, append(c.options, clientv3.WithSerializable())...)
		e.equal("serializable", keys(serializable.Kvs), c.want)
	}
	e.equal("inverted deletion", e.del("c", clientv3.WithRange("a")).Deleted, int64(0))
	e.equal("deletion of a prefix", e.del("b", clientv3.WithPrefix()).Deleted, int64(3))
	e.equal("what is left", keys(e.get("", clientv3.WithPrefix()).Kvs), "a ab c \xff\xff")
}

func TestKVLimitsAndCounts(t *testing.T) {
	e := start(t)
	for n := range 25 {
		e.put(fmt.Sprintf("k%02d", n), "v")
	}
	for _, c := range []struct {
		limit    int64
		returned int
		more     bool
	}{{0, 25, false}, {-1, 25, false}, {1, 1, true}, {24, 24, true}, {25, 25, false}, {26, 25, false}} {
		found := e.get("k", clientv3.WithPrefix(), clientv3.WithLimit(c.limit))
		what := fmt.Sprintf("limit %d", c.limit)
		e.equal(what, len(found.Kvs), c.returned)
		e.equal(what+": more", found.More, c.more)
		e.equal(what+": count", found.Count, int64(25))
	}
	counted := e.get("k", clientv3.WithPrefix(), clientv3.WithCountOnly(), clientv3.WithLimit(3))
	e.equal("count only", counted.Count, int64(25))
	e.equal("count only: pairs", len(counted.Kvs), 0)
	e.equal("count only: more", counted.More, false)
	past := e.get("k", clientv3.WithPrefix(), clientv3.WithCountOnly(), clientv3.WithRev(11))
	e.equal("count at a past revision", past.Count, int64(10))
}

// Served from the index, a pair without its value has no lease either, unless values had to be read.
func TestKVKeysOnly(t *testing.T) {
	e := start(t)
	lease := e.grant(60)
	e.put("a", "x", clientv3.WithLease(lease))
	e.put("a", "y", clientv3.WithLease(lease))
	kv := e.get("a", clientv3.WithKeysOnly()).Kvs[0]
	e.equal("value", len(kv.Value), 0)
	e.equal("lease", kv.Lease, int64(0))
	e.equal("numbers", [3]int64{kv.CreateRevision, kv.ModRevision, kv.Version}, [3]int64{2, 3, 2})
	byValue := clientv3.WithSort(clientv3.SortByValue, clientv3.SortAscend)
	kv = e.get("a", clientv3.WithKeysOnly(), byValue).Kvs[0]
	e.equal("value when sorted by value", len(kv.Value), 0)
	e.equal("lease when sorted by value", kv.Lease, int64(lease))
}

func TestKVSorting(t *testing.T) {
	e := start(t)
	// Creation d, b, a, c; modification b, d, c, a; versions 2, 1, 4, 3; values 1, 4, 2, 3.
	for _, pair := range []string{"d=0", "b=0", "a=0", "c=0", "a=0", "c=0", "a=0", "b=4", "d=1", "c=2", "a=3"} {
		key, value, _ := strings.Cut(pair, "=")
		e.put(key, value)
	}
	e.put("b", "4")
	e.del("b")
	e.put("b", "4")
	sorted := func(target clientv3.SortTarget, order clientv3.SortOrder, limit int64) string {
		return keys(e.get("", clientv3.WithPrefix(), clientv3.WithSort(target, order), clientv3.WithLimit(limit)).Kvs)
	}
	for _, c := range []struct {
		target clientv3.SortTarget
		ascend string
	}{
		{clientv3.SortByKey, "a b c d"},
		{clientv3.SortByVersion, "b d c a"},
		{clientv3.SortByCreateRevision, "d a c b"},
		{clientv3.SortByModRevision, "d c a b"},
		{clientv3.SortByValue, "d c a b"},
	} {
		what := fmt.Sprintf("target %d", c.target)
		words := strings.Fields(c.ascend)
		descend := strings.Join([]string{words[3], words[2], words[1], words[0]}, " ")
		e.equal(what+" ascending", sorted(c.target, clientv3.SortAscend, 0), c.ascend)
		e.equal(what+" descending", sorted(c.target, clientv3.SortDescend, 0), descend)
		e.equal(what+" cut", sorted(c.target, clientv3.SortDescend, 2), words[3]+" "+words[2])
	}
}

// Without an order but with a target, the limit is applied to the keys before they are sorted.
func TestKVSortingWithoutOrder(t *testing.T) {
	e := start(t)
	for _, pair := range []string{"a=9", "b=8", "c=7", "d=1"} {
		key, value, _ := strings.Cut(pair, "=")
		e.put(key, value)
	}
	raw := pb.NewKVClient(e.c.ActiveConnection())
	found, err := raw.Range(e.ctx, &pb.RangeRequest{
		Key: []byte("a"), RangeEnd: []byte{0}, Limit: 2, SortTarget: pb.RangeRequest_VALUE,
	})
	e.check(err)
	e.equal("the first three, sorted, cut to two", keys(found.Kvs), "c b")
	e.equal("more", found.More, true)
	_, err = raw.Range(e.ctx, &pb.RangeRequest{Key: []byte("a"), SortOrder: 3})
	e.failsAs(err, codes.InvalidArgument, "etcdserver: invalid sort option")
	_, err = raw.Range(e.ctx, &pb.RangeRequest{Key: []byte("a"), SortTarget: 5})
	e.failsAs(err, codes.InvalidArgument, "etcdserver: invalid sort option")
}

func TestKVRevisionFilters(t *testing.T) {
	e := start(t)
	for n := range 6 { // revisions 2 to 7
		e.put(fmt.Sprintf("k%d", n), "v")
	}
	e.put("k0", "w") // 8
	for _, c := range []struct {
		option clientv3.OpOption
		want   string
	}{
		{clientv3.WithMinModRev(6), "k0 k4 k5"},
		{clientv3.WithMaxModRev(4), "k1 k2"},
		{clientv3.WithMinCreateRev(6), "k4 k5"},
		{clientv3.WithMaxCreateRev(3), "k0 k1"},
	} {
		found := e.get("k", clientv3.WithPrefix(), c.option)
		e.equal("filtered", keys(found.Kvs), c.want)
		e.equal("the count is of the range", found.Count, int64(6))
	}
	found := e.get("k", clientv3.WithPrefix(), clientv3.WithMinModRev(6), clientv3.WithLimit(2))
	e.equal("filtered and cut", keys(found.Kvs), "k0 k4")
	e.equal("more", found.More, true)
}

func TestKVHistoryAndCompaction(t *testing.T) {
	e := start(t)
	for n := range 10 { // revisions 2 to 11
		e.put("k", fmt.Sprint(n))
	}
	e.put("gone", "x") // 12
	e.del("gone")      // 13
	at := func(revision int64) error {
		_, err := e.c.Get(e.ctx, "k", clientv3.WithRev(revision))
		return err
	}
	for revision := int64(2); revision <= 11; revision++ {
		found := e.get("k", clientv3.WithRev(revision))
		e.equal("value then", string(found.Kvs[0].Value), fmt.Sprint(revision-2))
		e.equal("the header is of now", found.Header.Revision, int64(13))
	}
	e.equal("before everything", e.get("k", clientv3.WithRev(1)).Count, int64(0))
	e.equal("a negative revision is now", string(e.get("k", clientv3.WithRev(-5)).Kvs[0].Value), "9")
	e.fails(at(14), errFuture)

	_, err := e.c.Compact(e.ctx, 14)
	e.fails(err, errFuture)
	e.compact(0)
	_, err = e.c.Compact(e.ctx, 0)
	e.fails(err, errCompacted)
	e.compact(6, clientv3.WithCompactPhysical())
	for _, revision := range []int64{6, 5, 1, -3} {
		_, err := e.c.Compact(e.ctx, revision)
		e.fails(err, errCompacted)
	}
	e.fails(at(5), errCompacted)
	e.check(at(6))
	e.equal("at the mark", string(e.get("k", clientv3.WithRev(6)).Kvs[0].Value), "4")
	e.compact(13)
	e.equal("deleted, at the mark", e.get("gone", clientv3.WithRev(13)).Count, int64(0))
	e.fails(at(12), errCompacted)
	e.equal("still there", string(e.get("k").Kvs[0].Value), "9")
}

func TestKVPutFlags(t *testing.T) {
	e := start(t)
	put := func(key, value string, options ...clientv3.OpOption) error {
		_, err := e.c.Put(e.ctx, key, value, options...)
		return err
	}
	e.fails(put("", "v"), rpctypes.ErrEmptyKey)
	e.fails(put("a", "", clientv3.WithIgnoreValue()), rpctypes.ErrKeyNotFound)
	e.fails(put("a", "v", clientv3.WithIgnoreLease()), rpctypes.ErrKeyNotFound)
	e.fails(put("a", "v", clientv3.WithLease(77)), rpctypes.ErrLeaseNotFound)
	lease := e.grant(60)
	e.put("a", "v", clientv3.WithLease(lease))
	e.fails(put("a", "v", clientv3.WithIgnoreValue()), rpctypes.ErrValueProvided)
	e.fails(put("a", "v", clientv3.WithIgnoreLease(), clientv3.WithLease(lease)), rpctypes.ErrLeaseProvided)
	e.equal("no refused put had a revision", e.get("a").Header.Revision, int64(2))

	e.put("a", "w", clientv3.WithIgnoreLease())
	kv := e.get("a").Kvs[0]
	e.equal("kept its lease", kv.Lease, int64(lease))
	e.put("a", "", clientv3.WithIgnoreValue())
	kv = e.get("a").Kvs[0]
	e.equal("kept its value", string(kv.Value), "w")
	e.equal("lost its lease", kv.Lease, int64(0))
	e.equal("is a new version", kv.Version, int64(3))
}

func TestKVEmptyKeys(t *testing.T) {
	e := start(t)
	raw := pb.NewKVClient(e.c.ActiveConnection())
	const text = "etcdserver: key is not provided"
	_, err := raw.Range(e.ctx, &pb.RangeRequest{})
	e.failsAs(err, codes.InvalidArgument, text)
	_, err = raw.Put(e.ctx, &pb.PutRequest{})
	e.failsAs(err, codes.InvalidArgument, text)
	_, err = raw.DeleteRange(e.ctx, &pb.DeleteRangeRequest{RangeEnd: []byte("z")})
	e.failsAs(err, codes.InvalidArgument, text)
	_, err = raw.Txn(e.ctx, &pb.TxnRequest{Compare: []*pb.Compare{{}}})
	e.failsAs(err, codes.InvalidArgument, text)
}

func TestKVSizes(t *testing.T) {
	notWithin(t, "grpc-proxy", "the proxy has a limit of its own before that of the member")
	e := start(t)
	every := make([]byte, 256)
	for n := range every {
		every[n] = byte(n)
	}
	e.put(string(every), string(every))
	e.equal("bytes of every value", e.get(string(every)).Kvs[0].Value, every)
	e.put("empty", "")
	e.equal("an empty value", len(e.get("empty").Kvs[0].Value), 0)

	const limit = 1572864
	big := strings.Repeat("x", limit-512)
	e.put("big", big)
	e.equal("a big value", string(e.get("big").Kvs[0].Value), big)
	_, err := e.c.Put(e.ctx, "big", strings.Repeat("x", limit))
	e.fails(err, rpctypes.ErrRequestTooLarge)
	request := &pb.PutRequest{Key: []byte("big"), Value: make([]byte, limit+524288)}
	_, err = pb.NewKVClient(e.c.ActiveConnection()).Put(e.ctx, request)
	text := fmt.Sprintf("grpc: received message larger than max (%d vs. 2097152)", proto.Size(request))
	e.failsAs(err, codes.ResourceExhausted, text)
	e.equal("refused puts have no revision", e.get("big").Header.Revision, int64(4))
}

func TestKVRangeStream(t *testing.T) {
	e := start(t)
	value := strings.Repeat("v", 50_000)
	for n := range 60 {
		e.put(fmt.Sprintf("k%02d", n), value)
	}
	raw := pb.NewKVClient(e.c.ActiveConnection())
	stream := func(request *pb.RangeRequest) ([]*pb.RangeResponse, error) {
		open, err := raw.RangeStream(e.ctx, request)
		e.check(err)
		var parts []*pb.RangeResponse
		for {
			part, err := open.Recv()
			if err != nil {
				return parts, err
			}
			parts = append(parts, part.RangeResponse)
		}
	}
	all := &pb.RangeRequest{Key: []byte("k"), RangeEnd: []byte("l")}
	parts, err := stream(all)
	e.equal("end of the stream", err.Error(), "EOF")
	e.equal("sizes", list(parts, func(p *pb.RangeResponse) string { return fmt.Sprint(len(p.Kvs)) }), "10 20 20 10")
	var merged []string
	for n, part := range parts {
		merged = append(merged, keys(part.Kvs))
		is_last := n == len(parts)-1
		e.equal("a header in the last part", part.Header != nil, is_last)
		e.equal("a count in the last part", part.Count == 60, is_last)
	}
	e.equal("merged", strings.Join(merged, " "), keys(e.get("k", clientv3.WithPrefix()).Kvs))

	parts, _ = stream(&pb.RangeRequest{Key: []byte("k"), RangeEnd: []byte("l"), Limit: 15, KeysOnly: true})
	last := parts[len(parts)-1]
	e.equal("cut: more", last.More, true)
	e.equal("cut: count", last.Count, int64(60))
	parts, _ = stream(&pb.RangeRequest{Key: []byte("k"), RangeEnd: []byte("l"), CountOnly: true})
	e.equal("count only", [2]int64{int64(len(parts)), parts[0].Count}, [2]int64{1, 60})
	parts, _ = stream(&pb.RangeRequest{Key: []byte("none")})
	e.equal("nothing found", [2]int{len(parts), len(parts[0].Kvs)}, [2]int{1, 0})
	_, err = stream(&pb.RangeRequest{Key: []byte("k"), SortOrder: pb.RangeRequest_DESCEND})
	e.failsAs(err, codes.Unimplemented, "RangeStream does not support custom sort orders")
	_, err = stream(&pb.RangeRequest{Key: []byte("k"), MinModRevision: 3})
	e.failsAs(err, codes.Unimplemented, "RangeStream does not support revision filters")
	_, err = stream(&pb.RangeRequest{Key: []byte("k"), Revision: 1000})
	e.failsAs(err, codes.OutOfRange, "etcdserver: mvcc: required revision is a future revision")
}

// A client that gives up gets its own error, and harms nobody.
func TestKVDeadlines(t *testing.T) {
	e := start(t)
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	_, err := e.c.Put(ctx, "a", "b")
	e.fails(err, context.Canceled)
	e.put("a", "c")
	e.equal("value", string(e.get("a").Kvs[0].Value), "c")
}
