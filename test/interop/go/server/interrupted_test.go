package server

import (
	"os"
	"path/filepath"
	"testing"

	"interop/process"
)

// Whatever an interrupted takeover, or an interrupted snapshot from the leader, has left in the directory, the
// next start has everything: the database of before a takeover is not taken for the newer store.
func TestTakeoverInterrupted(t *testing.T) {
	t.Parallel()
	ctx := limited(t)
	member := process.New(t, fast...)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(member.DataDir(), "member")
	move := func(from, to string) { must(os.Rename(filepath.Join(dir, from), filepath.Join(dir, to))) }
	copied := func() string {
		to := t.TempDir()
		must(os.CopyFS(to, os.DirFS(member.DataDir())))
		return to
	}
	member.UseReal(true)
	member.Restart()
	few(t, ctx, member.Connect())
	before := capture(t, ctx, member.Connect(), -1)
	member.Kill()
	etcds := copied()
	member.UseReal(false)
	member.Restart()
	writeMore(t, ctx, member.Connect())
	after := capture(t, ctx, member.Connect(), -1)
	member.Kill()
	ours := copied()
	// half puts a store beside, of which each file ends in its middle.
	half := func(name string) {
		store := filepath.Join(dir, name)
		must(os.CopyFS(store, os.DirFS(filepath.Join(ours, "member", "store"))))
		files, err := os.ReadDir(store)
		must(err)
		for _, file := range files {
			info, err := file.Info()
			must(err)
			must(os.Truncate(filepath.Join(store, file.Name()), info.Size()/2))
		}
	}
	for _, c := range []struct {
		name string
		from string
		left func()
		want state
	}{
		{"amid the import", etcds, func() { half("store.new") }, before},
		{"before the original is aside", etcds, func() {
			must(os.CopyFS(filepath.Join(dir, "store.new"), os.DirFS(filepath.Join(ours, "member", "store"))))
		}, before},
		{"before the store is in place", etcds, func() { move("snap/db", "snap/db.etcd"); half("store.new") }, before},
		{"with the original aside", etcds, func() { move("snap/db", "snap/db.etcd") }, before},
		{"amid a snapshot", ours, func() { half("store.receiving") }, after},
		{"with a snapshot that was not decided", ours, func() { half("store.00000000000fffff.ready") }, after},
		{"with the store aside for a snapshot", ours, func() { move("store", "store.old") }, after},
	} {
		t.Log(c.name)
		must(os.RemoveAll(member.DataDir()))
		must(os.CopyFS(member.DataDir(), os.DirFS(c.from)))
		c.left()
		member.Restart()
		same(t, c.name, c.want, capture(t, ctx, member.Connect(), -1))
		writeMore(t, ctx, member.Connect())
		member.Kill()
	}
}
