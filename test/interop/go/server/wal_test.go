package server

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"interop/process"
)

// The log of a member that was killed, over several segments, is read by etcd's own reader, and holds
// what was acknowledged, in order.
func TestLogIsEtcds(t *testing.T) {
	ctx := limited(t)
	member := process.Start(t)
	client := member.Connect()
	big := strings.Repeat("v", 1_000_000)
	const puts = 90 // more than a segment of 64 MB
	for n := range puts {
		if _, err := client.Put(ctx, fmt.Sprintf("key%d", n), big[:1+n*11_000]); err != nil {
			t.Fatal(err)
		}
	}
	for range 30 {
		if _, err := client.Put(ctx, "big", big); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.Txn(ctx).Then(clientv3.OpPut("last", "one")).Commit(); err != nil {
		t.Fatal(err)
	}
	member.Kill()

	dir := filepath.Join(member.DataDir(), "member", "wal")
	if segments, _ := filepath.Glob(filepath.Join(dir, "*.wal")); len(segments) < 2 {
		t.Fatalf("the log has %d segments", len(segments))
	}
	marks, err := wal.ValidSnapshotEntries(zap.NewNop(), dir)
	if err != nil || len(marks) == 0 {
		t.Fatalf("snapshot marks %v, %v", marks, err)
	}
	first := &walpb.Snapshot{Index: proto.Uint64(0), Term: proto.Uint64(0)}
	if _, err := wal.Verify(zap.NewNop(), dir, first); err != nil {
		t.Fatal(err)
	}
	log, err := wal.OpenForRead(zap.NewNop(), dir, first)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	metadata, state, entries, err := log.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var ids pb.Metadata
	if err := proto.Unmarshal(metadata, &ids); err != nil || ids.GetNodeID() == 0 || ids.GetClusterID() == 0 {
		t.Fatalf("metadata %v, %v", &ids, err)
	}
	seen := 0
	for n, entry := range entries {
		if entry.GetIndex() != uint64(n+1) {
			t.Fatalf("entry %d has index %d", n, entry.GetIndex())
		}
		if entry.GetType() != raftpb.EntryNormal || len(entry.GetData()) == 0 {
			continue
		}
		var request pb.InternalRaftRequest
		if err := proto.Unmarshal(entry.GetData(), &request); err != nil {
			t.Fatalf("entry %d: %v", n, err)
		}
		if put := request.Put; put != nil && strings.HasPrefix(string(put.Key), "key") {
			if want := fmt.Sprintf("key%d", seen); string(put.Key) != want || len(put.Value) != 1+seen*11_000 {
				t.Fatalf("%s of %d bytes, want %s", put.Key, len(put.Value), want)
			}
			seen++
		}
		if n == len(entries)-1 && string(request.Txn.GetSuccess()[0].GetRequestPut().GetKey()) != "last" {
			t.Fatalf("the last entry is %v", &request)
		}
	}
	if seen != puts {
		t.Fatalf("%d of %d puts", seen, puts)
	}
	if state.GetTerm() == 0 || state.GetCommit() > uint64(len(entries)) {
		t.Fatalf("hard state %v over %d entries", state, len(entries))
	}

	// The real reader has left everything as it was.
	member.Restart()
	found, err := client.Get(ctx, "last")
	if err != nil || found.Count != 1 || found.Header.Revision != puts+32 {
		t.Fatalf("after a restart: %v, %v", found, err)
	}
}
