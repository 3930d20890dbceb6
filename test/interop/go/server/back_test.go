package server

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"interop/process"
)

// A member of ours is handed back to etcd, with the same ids, revisions, hashes and leases, however it
// ended; and it is taken over once more.
func TestBackToEtcd(t *testing.T) {
	for _, c := range takeovers {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx := limited(t)
			member := process.Start(t, append(c.flags, fast...)...)
			ours := member.Connect()
			compacted := c.fill(t, ctx, ours)
			before := capture(t, ctx, ours, compacted)
			end(member, c.kill)

			handOver(t, member)
			member.UseReal(true)
			member.Restart()
			real := member.Connect()
			same(t, "handed back", before, capture(t, ctx, real, compacted))
			writeMore(t, ctx, real)
			before = capture(t, ctx, real, compacted)
			end(member, c.kill)

			member.UseReal(false)
			member.Restart()
			same(t, "taken over", before, capture(t, ctx, member.Connect(), compacted))
		})
	}
}

// handOver puts a data directory of etcd in the place of the member's.
func handOver(t *testing.T, member *process.Member) {
	t.Helper()
	dir := member.DataDir()
	etcdutl(t, "migrate", "--data-dir", dir, "--to-etcd", dir+".etcd")
	if err := os.Rename(dir, dir+".ours"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+".etcd", dir); err != nil {
		t.Fatal(err)
	}
}

func writeMore(t *testing.T, ctx context.Context, client *clientv3.Client) {
	t.Helper()
	for n := range 30 {
		if _, err := client.Put(ctx, fmt.Sprint("more/", n%7), fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
}

// A directory for etcd is written only where there is none, and never from a member that runs.
func TestBackIsRefused(t *testing.T) {
	member := process.Start(t, fast...)
	target := filepath.Join(t.TempDir(), "target")
	output, err := tryEtcdutl(t, "migrate", "--data-dir", member.DataDir(), "--to-etcd", target)
	if err == nil {
		t.Fatalf("a running member was handed back\n%s", output)
	}
	member.Stop()
	etcdutl(t, "migrate", "--data-dir", member.DataDir(), "--to-etcd", filepath.Join(t.TempDir(), "target"))
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if output, err := tryEtcdutl(t, "migrate", "--data-dir", member.DataDir(), "--to-etcd", full); err == nil {
		t.Fatalf("a directory in use was written to\n%s", output)
	}
}
