package client

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/snapshot"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

func (e *env) status() *clientv3.StatusResponse {
	e.Helper()
	response, err := e.c.Status(e.ctx, e.member.Endpoint())
	e.check(err)
	return response
}

func (e *env) hash(revision int64) *clientv3.HashKVResponse {
	e.Helper()
	response, err := e.c.HashKV(e.ctx, e.member.Endpoint(), revision)
	e.check(err)
	return response
}

// visit asks an HTTP endpoint of the member.
func (e *env) visit(path string) (int, string) {
	e.Helper()
	response, err := http.Get(e.member.Direct() + path)
	e.check(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	e.check(err)
	return response.StatusCode, string(body)
}

func TestMaintenanceStatus(t *testing.T) {
	e := start(t, "--quota-backend-bytes=1234567890")
	e.put("k", "v")
	before := e.status()
	e.equal("version", before.Version, "3.7.1")
	e.equal("storage version", before.StorageVersion, "3.7.0")
	e.equal("leader", before.Leader, before.Header.MemberId)
	e.equal("revision", before.Header.Revision, int64(2))
	e.equal("quota", before.DbSizeQuota, int64(1234567890))
	e.equal("learner", before.IsLearner, false)
	e.equal("errors", len(before.Errors), 0)
	e.equal("downgrade", before.DowngradeInfo.GetEnabled(), false)
	e.equal("downgrade is told", before.DowngradeInfo != nil, true)
	if before.DbSize < before.DbSizeInUse || before.RaftTerm == 0 || before.RaftAppliedIndex > before.RaftIndex {
		e.Fatalf("status %v", before)
	}
	e.put("k", "w")
	after := e.status()
	e.equal("the index moves by one a request", after.RaftIndex, before.RaftIndex+1)
}

func TestMaintenanceMembers(t *testing.T) {
	e := start(t)
	found, err := e.c.MemberList(e.ctx)
	e.check(err)
	e.equal("members", len(found.Members), 1)
	member := found.Members[0]
	e.equal("name", member.Name, "default")
	e.equal("client URLs", member.ClientURLs, []string{e.member.Direct()})
	e.equal("peer URLs", len(member.PeerURLs), 1)
	e.equal("id", member.ID, found.Header.MemberId)
	e.equal("no revision", found.Header.Revision, int64(0))
	_, err = e.c.MoveLeader(e.ctx, member.ID)
	e.check(err)
	_, err = e.c.MoveLeader(e.ctx, 12345)
	e.fails(err, rpctypes.ErrBadLeaderTransferee)
	e.member.Kill()
	e.member.Restart()
	again, err := e.c.MemberList(e.ctx)
	e.check(err)
	e.equal("the same after a restart", again.Members[0].String(), member.String())
	e.equal("cluster", again.Header.ClusterId, found.Header.ClusterId)
}

func TestMaintenanceHashes(t *testing.T) {
	e := start(t)
	for n := range 50 {
		e.put(fmt.Sprint(n%7), fmt.Sprint(n)) // 2 to 51
	}
	e.del("3") // 52
	now, then := e.hash(0), e.hash(30)
	e.equal("of now", [2]int64{now.HashRevision, now.CompactRevision}, [2]int64{52, -1})
	e.equal("of then", [2]int64{then.HashRevision, then.CompactRevision}, [2]int64{30, -1})
	e.put("later", "x")
	e.equal("stays", e.hash(52).Hash, now.Hash)
	e.member.Kill()
	e.member.Restart()
	e.equal("stays after a crash", [2]uint32{e.hash(52).Hash, e.hash(30).Hash}, [2]uint32{now.Hash, then.Hash})
	_, err := e.c.HashKV(e.ctx, e.member.Endpoint(), 99)
	e.fails(err, errFuture)
	e.compact(40, clientv3.WithCompactPhysical())
	_, err = e.c.HashKV(e.ctx, e.member.Endpoint(), 39)
	e.fails(err, errCompacted)
	compacted := e.hash(52)
	e.equal("knows the mark", compacted.CompactRevision, int64(40))
	e.member.Stop()
	e.member.Restart()
	e.equal("stays after a stop", e.hash(52).Hash, compacted.Hash)
	_, err = e.c.Defragment(e.ctx, e.member.Endpoint())
	e.check(err)
	e.equal("stays when defragmented", e.hash(52).Hash, compacted.Hash)
}

// Space comes back, and nobody waits for it.
func TestMaintenanceSpace(t *testing.T) {
	e := start(t)
	value := noise(10_000)
	for n := range 1000 {
		e.put(fmt.Sprint(n%10), value)
	}
	full := e.status().DbSize
	if full < 5_000_000 {
		e.Fatalf("10 MB take %d bytes", full)
	}
	e.compact(e.get("0").Header.Revision, clientv3.WithCompactPhysical())
	_, err := e.c.Defragment(e.ctx, e.member.Endpoint())
	e.check(err)
	e.eventually("the files shrink", func() bool { return e.status().DbSize < full/5 })
	e.equal("what lives is there", e.get("", clientv3.WithPrefix()).Count, int64(10))
	e.equal("and whole", string(e.get("7").Kvs[0].Value), value)
}

// noise is text that nothing compresses.
func noise(length int) string {
	source := rand.New(rand.NewPCG(1, 2))
	bytes := make([]byte, length)
	for n := range bytes {
		bytes[n] = byte('!' + source.IntN(90))
	}
	return string(bytes)
}

func TestMaintenanceNoSpace(t *testing.T) {
	e := start(t, "--quota-backend-bytes=4000000")
	lease := e.grant(600)
	e.put("small", "v", clientv3.WithLease(lease))
	value := noise(100_000)
	var err error
	for n := 0; err == nil; n++ {
		if n > 200 {
			e.Fatal("20 MB fit into a quota of 4 MB")
		}
		_, err = e.c.Put(e.ctx, "big", value)
	}
	e.fails(err, rpctypes.ErrNoSpace)
	alarms, err := e.c.AlarmList(e.ctx)
	e.check(err)
	e.equal("alarms", len(alarms.Alarms), 1)
	e.equal("alarm", alarms.Alarms[0].Alarm, pb.AlarmType_NOSPACE)
	id := alarms.Header.MemberId
	e.equal("of this member", alarms.Alarms[0].MemberID, id)
	e.equal("status tells", e.status().Errors, []string{e.status().Errors[0]})
	if text := e.status().Errors[0]; !strings.Contains(text, "NOSPACE") {
		e.Fatalf("status says %q", text)
	}
	code, body := e.visit("/health")
	e.equal("health", [2]any{code, body}, [2]any{503, "{\"health\":\"false\",\"reason\":\"ALARM NOSPACE\"}\n"})

	// Small writes are refused too; reads, deletions and compactions work.
	refused := func(err error) { e.Helper(); e.fails(err, rpctypes.ErrNoSpace) }
	_, err = e.c.Put(e.ctx, "a", "b")
	refused(err)
	_, err = e.txn(clientv3.OpGet("a"), clientv3.OpTxn(nil, nil, []clientv3.Op{clientv3.OpPut("a", "b")}))
	refused(err)
	_, err = e.c.Grant(e.ctx, 60)
	refused(err)
	_, err = e.txn(clientv3.OpDelete("none"), clientv3.OpGet("small"))
	e.check(err)
	e.member.Kill()
	e.member.Restart()
	e.equal("reads", e.get("big").Count, int64(1))
	_, err = e.c.Put(e.ctx, "a", "b")
	refused(err)
	e.del("big")
	_, err = e.c.Revoke(e.ctx, lease)
	e.check(err)
	e.compact(e.get("a").Header.Revision, clientv3.WithCompactPhysical())
	_, err = e.c.Defragment(e.ctx, e.member.Endpoint())
	e.check(err)
	e.eventually("there is space", func() bool { return e.status().DbSize < 2_000_000 })
	_, err = e.c.Put(e.ctx, "a", "b")
	refused(err)
	gone, err := e.c.AlarmDisarm(e.ctx, &clientv3.AlarmMember{})
	e.check(err)
	e.equal("disarmed", len(gone.Alarms), 1)
	e.put("a", "b")
	code, body = e.visit("/health")
	e.equal("health", [2]any{code, body}, [2]any{200, `{"health":"true","reason":""}`})
	again, err := e.c.AlarmDisarm(e.ctx, &clientv3.AlarmMember{MemberID: id, Alarm: pb.AlarmType_NOSPACE})
	e.check(err)
	e.equal("nothing left to disarm", len(again.Alarms), 0)
}

func TestMaintenanceAlarms(t *testing.T) {
	e := start(t)
	e.put("k", "v")
	raw := pb.NewMaintenanceClient(e.c.ActiveConnection())
	alarm := func(action pb.AlarmRequest_AlarmAction, member uint64, kind pb.AlarmType) []*pb.AlarmMember {
		e.Helper()
		response, err := raw.Alarm(e.ctx, &pb.AlarmRequest{Action: action, MemberID: member, Alarm: kind})
		e.check(err)
		return response.Alarms
	}
	e.equal("none", len(alarm(pb.AlarmRequest_GET, 0, pb.AlarmType_NONE)), 0)
	e.equal("nothing to activate", len(alarm(pb.AlarmRequest_ACTIVATE, 5, pb.AlarmType_NONE)), 0)
	e.equal("activated", alarm(pb.AlarmRequest_ACTIVATE, 5, pb.AlarmType_CORRUPT)[0].MemberID, uint64(5))
	_, err := e.c.Put(e.ctx, "k", "w")
	e.fails(err, rpctypes.ErrCorrupt)
	_, err = e.c.Delete(e.ctx, "k")
	e.fails(err, rpctypes.ErrCorrupt)
	_, err = e.c.Compact(e.ctx, 2)
	e.fails(err, rpctypes.ErrCorrupt)
	e.equal("reads work", e.get("k").Count, int64(1))
	e.equal("listed", len(alarm(pb.AlarmRequest_GET, 77, pb.AlarmType_CORRUPT)), 1)
	e.equal("not of this kind", len(alarm(pb.AlarmRequest_GET, 0, pb.AlarmType_NOSPACE)), 0)
	e.equal("member 0 is not all", len(alarm(pb.AlarmRequest_DEACTIVATE, 0, pb.AlarmType_CORRUPT)), 0)
	e.equal("deactivated", len(alarm(pb.AlarmRequest_DEACTIVATE, 5, pb.AlarmType_CORRUPT)), 1)
	e.put("k", "w")
}

// The real server dies of an action that it does not know.
func TestMaintenanceOnlyOursUnknownAlarmAction(t *testing.T) {
	e := start(t)
	raw := pb.NewMaintenanceClient(e.c.ActiveConnection())
	_, err := raw.Alarm(e.ctx, &pb.AlarmRequest{Action: 7, Alarm: pb.AlarmType_NOSPACE})
	e.equal("refused", status.Code(err), codes.InvalidArgument)
	e.put("k", "v")
	e.member.Kill()
	e.member.Restart()
	e.put("k", "w")
}

// The stream of a snapshot: pieces that count down, then the hash, and a version in every one.
func TestMaintenanceSnapshot(t *testing.T) {
	e := start(t)
	for n := range 300 {
		e.put(fmt.Sprint(n), noise(1000))
	}
	open, err := pb.NewMaintenanceClient(e.c.ActiveConnection()).Snapshot(e.ctx, &pb.SnapshotRequest{})
	e.check(err)
	var total, pieces, last, remaining uint64
	for {
		piece, err := open.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		e.check(err)
		e.equal("version", piece.Version, "3.7.0")
		e.equal("header", piece.Header == nil, true)
		if pieces > 0 && piece.RemainingBytes != 0 {
			e.equal("counts down", piece.RemainingBytes, remaining-uint64(len(piece.Blob)))
		}
		if len(piece.Blob) > 32<<10 {
			e.Fatalf("a piece of %d bytes", len(piece.Blob))
		}
		remaining, last = piece.RemainingBytes, uint64(len(piece.Blob))
		total += last
		pieces++
	}
	e.equal("ends with the hash", [2]uint64{last, remaining}, [2]uint64{32, 0})
	e.equal("whole pages and the hash", (total-32)%4096, uint64(0))
	file := filepath.Join(e.TempDir(), "snapshot.db")
	config := clientv3.Config{Endpoints: []string{e.member.Endpoint()}}
	version, err := snapshot.SaveWithVersion(e.ctx, zap.NewNop(), config, file)
	e.check(err)
	e.equal("saved", version, "3.7.0")
}

func TestMaintenanceHealth(t *testing.T) {
	e := start(t)
	health := grpc_health_v1.NewHealthClient(e.c.ActiveConnection())
	found, err := health.Check(e.ctx, &grpc_health_v1.HealthCheckRequest{})
	e.check(err)
	e.equal("health", found.Status, grpc_health_v1.HealthCheckResponse_SERVING)
	_, err = health.Check(e.ctx, &grpc_health_v1.HealthCheckRequest{Service: "etcdserverpb.KV"})
	e.failsAs(err, codes.NotFound, "unknown service")
	for path, want := range map[string]string{
		"/health":  `{"health":"true","reason":""}`,
		"/livez":   "ok\n",
		"/readyz":  "ok\n",
		"/version": `{"etcdserver":"3.7.1","etcdcluster":"3.7.0","storage":"3.7.0"}`,
	} {
		code, body := e.visit(path)
		e.equal(path, [2]any{code, body}, [2]any{200, want})
	}
	_, metrics := e.visit("/metrics")
	for _, name := range []string{"etcd_server_has_leader 1", "etcd_mvcc_db_total_size_in_bytes ", "grpc_server_handled_total{"} {
		if !strings.Contains(metrics, name) {
			e.Errorf("%q is not among the metrics", name)
		}
	}
}
