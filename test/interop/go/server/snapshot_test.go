package server

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
	clientv3 "go.etcd.io/etcd/client/v3"
	clientsnapshot "go.etcd.io/etcd/client/v3/snapshot"
	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"interop/process"
)

// fill writes a history: puts, deletions, transactions, leases, a compaction.
func fill(t *testing.T, ctx context.Context, client *clientv3.Client) {
	t.Helper()
	source := rand.New(rand.NewPCG(7, 7))
	lease, err := client.Grant(ctx, 5000)
	if err != nil {
		t.Fatal(err)
	}
	key := func() string { return fmt.Sprintf("key/%03d", source.IntN(300)) }
	for n := range 1500 {
		var err error
		switch source.IntN(10) {
		case 0:
			_, err = client.Delete(ctx, key(), clientv3.WithRange(key()))
		case 1:
			_, err = client.Put(ctx, key(), "leased", clientv3.WithLease(lease.ID))
		case 2:
			var ops []clientv3.Op
			for m := range 20 {
				ops = append(ops, clientv3.OpPut(fmt.Sprintf("txn/%d", m), fmt.Sprint(n)))
			}
			_, err = client.Txn(ctx).Then(ops...).Commit()
		case 3:
			_, err = client.Put(ctx, key(), string(make([]byte, source.IntN(20_000))))
		default:
			_, err = client.Put(ctx, key(), fmt.Sprint(n))
		}
		if err == nil && n == 700 {
			_, err = client.Compact(ctx, 500, clientv3.WithCompactPhysical())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A snapshot is a database file like etcd's own: bbolt finds no fault, etcd's tools accept it, and a
// real member that starts from it holds the same keys, leases and history.
func TestSnapshotIsEtcds(t *testing.T) {
	ctx := limited(t)
	member := process.Start(t)
	ours := member.Connect()
	fill(t, ctx, ours)
	file := filepath.Join(t.TempDir(), "snapshot.db")
	config := clientv3.Config{Endpoints: []string{member.Endpoint()}}
	if _, err := clientsnapshot.SaveWithVersion(ctx, zap.NewNop(), config, file); err != nil {
		t.Fatal(err)
	}
	checkWithBolt(t, file)
	tool := snapshot.NewV3(zap.NewNop())
	status, err := tool.Status(file)
	if err != nil {
		t.Fatal(err)
	}
	all, err := ours.Get(ctx, "", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	if status.Revision != all.Header.Revision || status.Version != "3.7.0" || int64(status.TotalKey) != all.Count {
		t.Fatalf("status %+v, but the revision is %d and there are %d keys", status, all.Header.Revision, all.Count)
	}
	restored := filepath.Join(t.TempDir(), "restored")
	const peer = "http://127.0.0.1:2380"
	if err := tool.Restore(snapshot.RestoreConfig{
		SnapshotPath: file, Name: "default", OutputDataDir: restored,
		PeerURLs: []string{peer}, InitialCluster: "default=" + peer, InitialClusterToken: "token",
	}); err != nil {
		t.Fatal(err)
	}
	real := startReal(t, func(config *embed.Config) { config.Dir = restored })
	compareStores(t, ctx, ours, real)
}

func checkWithBolt(t *testing.T, file string) {
	t.Helper()
	// The hash after the pages is not bbolt's, which ignores it.
	db, err := bolt.Open(file, 0o400, &bolt.Options{ReadOnly: true, PreLoadFreelist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.View(func(tx *bolt.Tx) error {
		for fault := range tx.Check() {
			t.Errorf("bbolt: %v", fault)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the file: %v %v", info, err)
	}
}

// compareStores compares two members: the keys, what is attached to leases, the history, and hashes.
func compareStores(t *testing.T, ctx context.Context, ours, real *clientv3.Client) {
	t.Helper()
	now := get(t, ctx, ours, 0)
	for revision := now.Header.Revision; revision >= max(500, now.Header.Revision-400); revision -= 50 {
		a, b := get(t, ctx, ours, revision), get(t, ctx, real, revision)
		if len(a.Kvs) != len(b.Kvs) {
			t.Fatalf("%d keys here, %d there at %d", len(a.Kvs), len(b.Kvs), revision)
		}
		for n := range a.Kvs {
			if !proto.Equal(a.Kvs[n], b.Kvs[n]) {
				t.Fatalf("%v here, %v there at %d", a.Kvs[n], b.Kvs[n], revision)
			}
		}
		if a, b := hash(t, ctx, ours, revision), hash(t, ctx, real, revision); a != b {
			t.Fatalf("HashKV %x here, %x there at %d", a, b, revision)
		}
	}
	leases, err := real.Leases(ctx)
	if err != nil || len(leases.Leases) != 1 {
		t.Fatalf("leases there: %v, %v", leases, err)
	}
	a, errA := ours.TimeToLive(ctx, leases.Leases[0].ID, clientv3.WithAttachedKeys())
	b, errB := real.TimeToLive(ctx, leases.Leases[0].ID, clientv3.WithAttachedKeys())
	if errA != nil || errB != nil || len(a.Keys) != len(b.Keys) || a.GrantedTTL != b.GrantedTTL {
		t.Fatalf("lease %v here, %v there", a, b)
	}
}

func get(t *testing.T, ctx context.Context, client *clientv3.Client, revision int64) *clientv3.GetResponse {
	t.Helper()
	response, err := client.Get(ctx, "", clientv3.WithPrefix(), clientv3.WithRev(revision))
	if err != nil {
		t.Fatal(err)
	}
	return response
}

func hash(t *testing.T, ctx context.Context, client *clientv3.Client, revision int64) uint32 {
	t.Helper()
	response, err := client.HashKV(ctx, client.Endpoints()[0], revision)
	if err != nil {
		t.Fatal(err)
	}
	return response.Hash
}
