package server

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	clientsnapshot "go.etcd.io/etcd/client/v3/snapshot"
	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"

	"interop/process"
)

// save writes a snapshot of a member to a file.
func save(t *testing.T, member *process.Member) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "snapshot.db")
	config := clientv3.Config{Endpoints: []string{member.Endpoint()}}
	if _, err := clientsnapshot.SaveWithVersion(limited(t), zap.NewNop(), config, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// A snapshot of either kind of member is restored by either tool, and starts either kind of member with
// the same keys, history, leases and hashes, under the ids that the tools derive.
func TestRestore(t *testing.T) {
	for _, from := range []string{"ours", "etcd"} {
		t.Run("from "+from, func(t *testing.T) {
			t.Parallel()
			ctx := limited(t)
			member := process.New(t, fast...)
			member.UseReal(from == "etcd")
			member.Restart()
			client := member.Connect()
			compacted := history(t, ctx, client)
			before := capture(t, ctx, client, compacted)
			file := save(t, member)
			for _, to := range []string{"ours", "etcd"} {
				restored := process.New(t, fast...)
				peer := restored.PeerURL()
				if to == "ours" {
					log := etcdutl(t, "snapshot", "restore", file, "--data-dir", restored.DataDir(),
						"--initial-cluster", "default="+peer, "--initial-advertise-peer-urls", peer,
						"--initial-cluster-token", "new")
					if !strings.Contains(log, "restored snapshot") || !strings.Contains(log, "added member") {
						t.Fatal(log)
					}
				} else {
					restored.UseReal(true)
					published(t, file, restored, 0)
				}
				restored.Restart()
				after := capture(t, ctx, restored.Connect(), compacted)
				if after.Cluster == before.Cluster {
					t.Fatal("the cluster has kept its id")
				}
				if !strings.Contains(after.Members, peer) {
					t.Fatalf("members %s", after.Members)
				}
				after.Cluster, after.Members = before.Cluster, before.Members
				same(t, "restored to "+to, before, after)
				writeMore(t, ctx, restored.Connect())
				restored.Kill()
			}
		})
	}
}

func published(t *testing.T, file string, member *process.Member, bump uint64) {
	t.Helper()
	peer := member.PeerURL()
	if err := snapshot.NewV3(zap.NewNop()).Restore(snapshot.RestoreConfig{
		SnapshotPath: file, Name: "default", OutputDataDir: member.DataDir(),
		PeerURLs: []string{peer}, InitialCluster: "default=" + peer, InitialClusterToken: "new",
		RevisionBump: bump, MarkCompacted: bump > 0,
	}); err != nil {
		t.Fatal(err)
	}
}

// Both tools make members of the same ids, and a raised revision has the same effect.
func TestRestoreDerivesTheSameMember(t *testing.T) {
	ctx := limited(t)
	member := process.Start(t, fast...)
	few(t, ctx, member.Connect())
	file := save(t, member)
	member.Stop()
	// The ids depend on the URLs, so one member is restored twice.
	restored := process.New(t, fast...)
	peer := restored.PeerURL()
	etcdutl(t, "snapshot", "restore", file, "--data-dir", restored.DataDir(), "--initial-cluster", "default="+peer,
		"--initial-advertise-peer-urls", peer, "--initial-cluster-token", "new",
		"--bump-revision", "1000", "--mark-compacted")
	restored.Restart()
	// The 26th revision is raised; what came before is compacted, and the record that raises it is not.
	const before = 1025
	ours := capture(t, ctx, restored.Connect(), before)
	restored.Kill()
	if err := os.RemoveAll(restored.DataDir()); err != nil {
		t.Fatal(err)
	}
	published(t, file, restored, 1000)
	restored.UseReal(true)
	restored.Restart()
	real := capture(t, ctx, restored.Connect(), before)
	same(t, "restored by etcd's tool", ours, real)
	if ours.Revision != before+1 || len(ours.Hashes) != 1 {
		t.Fatalf("the revision is %d, with hashes %v", ours.Revision, ours.Hashes)
	}
	restored.Kill()
	restored.UseReal(false)
	restored.Restart()
	same(t, "taken over", real, capture(t, ctx, restored.Connect(), before))
	if _, err := restored.Connect().Get(ctx, "key0", clientv3.WithRev(20)); err == nil {
		t.Fatal("a revision before the mark is served")
	}
}

// A snapshot that was changed on its way is refused, unless that is wanted.
func TestRestoreVerifies(t *testing.T) {
	ctx := limited(t)
	member := process.Start(t, fast...)
	few(t, ctx, member.Connect())
	file := save(t, member)
	bytes, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	bytes[len(bytes)-1] ^= 1
	changed := filepath.Join(t.TempDir(), "changed")
	if err := os.WriteFile(changed, bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	bare := filepath.Join(t.TempDir(), "bare")
	if err := os.WriteFile(bare, bytes[:len(bytes)-32], 0o600); err != nil {
		t.Fatal(err)
	}
	for n, c := range []struct{ file, text string }{
		{changed, "Error: expected sha256 ["},
		{bare, "Error: snapshot missing hash but --skip-hash-check=false"},
	} {
		dir := filepath.Join(t.TempDir(), fmt.Sprint(n))
		output, err := tryEtcdutl(t, "snapshot", "restore", c.file, "--data-dir", dir)
		if err == nil || !strings.Contains(output, c.text) {
			t.Errorf("%s: %v\n%s", c.file, err, output)
		}
		etcdutl(t, "snapshot", "restore", c.file, "--data-dir", dir, "--skip-hash-check")
	}
}

// A snapshot becomes a cluster of three: each directory is restored on its own, and they find each other.
func TestRestoreSeveral(t *testing.T) {
	for _, real := range []bool{false, true} {
		t.Run(fmt.Sprintf("of etcd: %v", real), func(t *testing.T) {
			t.Parallel()
			restoreSeveral(t, real)
		})
	}
}

func restoreSeveral(t *testing.T, real bool) {
	ctx := limited(t)
	member := process.Start(t, fast...)
	history(t, ctx, member.Connect())
	before := get(t, ctx, member.Connect(), 0)
	sum := hash(t, ctx, member.Connect(), before.Header.Revision)
	file := save(t, member)
	var members []*process.Member
	var cluster []string
	for n := range 3 {
		name := fmt.Sprint("m", n)
		restored := process.New(t, append(fast, "--name="+name)...)
		members = append(members, restored)
		cluster = append(cluster, name+"="+restored.PeerURL())
	}
	for n, restored := range members {
		etcdutl(t, "snapshot", "restore", file, "--data-dir", restored.DataDir(), "--name", fmt.Sprint("m", n),
			"--initial-cluster", strings.Join(cluster, ","), "--initial-advertise-peer-urls", restored.PeerURL())
		if real {
			handOver(t, restored)
		}
		restored.UseReal(real)
		restored.Launch()
	}
	for _, restored := range members {
		restored.AwaitReady()
		client := restored.Connect()
		if after := get(t, ctx, client, 0); after.Header.Revision != before.Header.Revision || after.Count != before.Count {
			t.Fatalf("revision %d and %d keys, were %d and %d",
				after.Header.Revision, after.Count, before.Header.Revision, before.Count)
		}
		if again := hash(t, ctx, client, before.Header.Revision); again != sum {
			t.Fatalf("hash %x, was %x", again, sum)
		}
	}
	listed, err := members[0].Connect().MemberList(ctx)
	if err != nil || len(listed.Members) != 3 {
		t.Fatalf("members %v, %v", listed, err)
	}
	if _, err := members[2].Connect().Put(ctx, "a", "b"); err != nil {
		t.Fatal(err)
	}
}
