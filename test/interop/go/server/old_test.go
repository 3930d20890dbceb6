package server

import (
	"os"
	"path/filepath"
	"testing"

	"interop/process"
)

// older are the versions before ours, by the variable that names their program.
var older = []struct{ version, program string }{
	{"3.5", "ETCD35_PROGRAM"},
	{"3.6", "ETCD36_PROGRAM"},
}

func oldProgram(t *testing.T, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Fatalf("%s must name a published etcd", variable)
	}
	return path
}

// What etcd 3.5 and 3.6 leave is taken over as what 3.7 leaves, whether a snapshot mark hides the requests in
// the old form or not.
func TestOldIsTakenOver(t *testing.T) {
	for _, old := range older {
		for _, c := range takeovers {
			t.Run(old.version+" "+c.name, func(t *testing.T) {
				t.Parallel()
				ctx := limited(t)
				member := process.New(t, append(c.flags, fast...)...)
				member.UseProgram(oldProgram(t, old.program))
				member.Restart()
				client := member.Connect()
				compacted := c.fill(t, ctx, client)
				before := capture(t, ctx, client, compacted)
				end(member, c.kill)

				member.UseProgram("")
				member.Restart()
				ours := member.Connect()
				same(t, "taken over", before, capture(t, ctx, ours, compacted))
				writeMore(t, ctx, ours)
				before = capture(t, ctx, ours, compacted)
				end(member, c.kill)

				// By now the cluster is one of 3.7.
				handOver(t, member)
				member.UseReal(true)
				member.Restart()
				same(t, "handed to 3.7", before, capture(t, ctx, member.Connect(), compacted))
			})
		}
	}
}

// A snapshot of an old etcd that our tool restores becomes a directory that the old etcd starts from: it
// needs the `.snap` file, which 3.7 does not read.
func TestOldStartsFromOurs(t *testing.T) {
	for _, old := range older {
		t.Run(old.version, func(t *testing.T) {
			t.Parallel()
			ctx := limited(t)
			member := process.New(t, fast...)
			member.UseProgram(oldProgram(t, old.program))
			member.Restart()
			compacted := history(t, ctx, member.Connect())
			before := capture(t, ctx, member.Connect(), compacted)
			file := save(t, member)
			member.Stop()

			peer := member.PeerURL()
			if err := os.RemoveAll(member.DataDir()); err != nil {
				t.Fatal(err)
			}
			etcdutl(t, "snapshot", "restore", file, "--data-dir", member.DataDir(),
				"--initial-cluster", "default="+peer, "--initial-advertise-peer-urls", peer)
			handOver(t, member)
			snaps, _ := filepath.Glob(filepath.Join(member.DataDir(), "member", "snap", "*.snap"))
			if len(snaps) != 1 {
				t.Fatalf("snapshot files %q", snaps)
			}
			member.Restart()
			after := capture(t, ctx, member.Connect(), compacted)
			same(t, "restored", before, after)
			writeMore(t, ctx, member.Connect())
			member.Kill()
			member.Restart()
		})
	}
}
