package server

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	clientv3 "go.etcd.io/etcd/client/v3"

	"interop/process"
)

// fast are the timings of a test's member. The time of an election decides the shortest lease, so both
// kinds of member need the same.
var fast = []string{"--heartbeat-interval=20", "--election-timeout=200"}

// state is what a client can see of a member, and must not change when another program takes its data.
type state struct {
	Revision int64
	Cluster  uint64
	Members  string
	Keys     map[int64]string
	Hashes   map[int64]uint32
	Leases   map[int64]string
	Alarms   string
}

func capture(t *testing.T, ctx context.Context, client *clientv3.Client, compacted int64) state {
	t.Helper()
	now := get(t, ctx, client, 0)
	s := state{
		Revision: now.Header.Revision, Cluster: now.Header.ClusterId,
		Keys: map[int64]string{}, Hashes: map[int64]uint32{}, Leases: map[int64]string{},
	}
	for _, back := range []int64{0, 1, 10, 100, 400} {
		if at := s.Revision - back; at > max(compacted, 1) {
			s.Keys[at] = fmt.Sprint(get(t, ctx, client, at).Kvs)
			s.Hashes[at] = hash(t, ctx, client, at)
		}
	}
	members, err := client.MemberList(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s.Members = fmt.Sprint(members.Members)
	leases, err := client.Leases(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, lease := range leases.Leases {
		of, err := client.TimeToLive(ctx, lease.ID, clientv3.WithAttachedKeys())
		if err != nil {
			t.Fatal(err)
		}
		// etcd lists them in no order.
		slices.SortFunc(of.Keys, bytes.Compare)
		s.Leases[int64(lease.ID)] = fmt.Sprintf("%d s, keys %q", of.GrantedTTL, of.Keys)
	}
	alarms, err := client.AlarmList(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s.Alarms = fmt.Sprint(alarms.Alarms)
	return s
}

func same(t *testing.T, what string, before, after state) {
	t.Helper()
	a, b := reflect.ValueOf(before), reflect.ValueOf(after)
	for n := range a.NumField() {
		if !reflect.DeepEqual(a.Field(n).Interface(), b.Field(n).Interface()) {
			t.Errorf("%s: %s was\n%.500q\nand is\n%.500q", what, a.Type().Field(n).Name, a.Field(n).Interface(), b.Field(n).Interface())
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// takeovers are the ways in which a real member ends before its directory is taken over.
var takeovers = []struct {
	name  string
	flags []string
	fill  func(*testing.T, context.Context, *clientv3.Client) int64
	kill  bool
}{
	{"stopped", nil, history, false},
	{"killed", nil, history, true},
	{"killed with marks", []string{"--snapshot-count=100"}, history, true},
	{"killed in a compaction", nil, compacting, true},
	{"killed at once", nil, nothing, true},
	{"stopped at once", nil, nothing, false},
	{"killed in small steps", []string{"--snapshot-count=10"}, few, true},
}

// history is a long one; it is compacted at 500.
func history(t *testing.T, ctx context.Context, client *clientv3.Client) int64 {
	fill(t, ctx, client)
	return 500
}

// compacting leaves a compaction that has only begun.
func compacting(t *testing.T, ctx context.Context, client *clientv3.Client) int64 {
	fill(t, ctx, client)
	for n := range 3000 {
		if _, err := client.Put(ctx, fmt.Sprintf("many/%d", n%1000), "x"); err != nil {
			t.Fatal(err)
		}
	}
	current := get(t, ctx, client, 0).Header.Revision
	if _, err := client.Compact(ctx, current-5); err != nil {
		t.Fatal(err)
	}
	return current - 5
}

func nothing(*testing.T, context.Context, *clientv3.Client) int64 { return -1 }

func few(t *testing.T, ctx context.Context, client *clientv3.Client) int64 {
	for n := range 25 {
		if _, err := client.Put(ctx, fmt.Sprint("key", n%4), fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
	return -1
}

// A member of ours that starts on the directory of a real etcd, however that ended, goes on as the
// same member with the same data, and only the first start takes over.
func TestTakeover(t *testing.T) {
	for _, c := range takeovers {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx := limited(t)
			member := process.New(t, append(c.flags, fast...)...)
			member.UseReal(true)
			member.Restart()
			real := member.Connect()
			compacted := c.fill(t, ctx, real)
			before := capture(t, ctx, real, compacted)
			end(member, c.kill)

			member.UseReal(false)
			member.Restart()
			ours := member.Connect()
			same(t, "taken over", before, capture(t, ctx, ours, compacted))
			if !member.HasLogged("took over the data directory of etcd") {
				t.Fatal("the takeover is not in the log")
			}
			snap := filepath.Join(member.DataDir(), "member", "snap")
			if _, err := os.Stat(filepath.Join(snap, "db.etcd")); err != nil {
				t.Fatal(err)
			}
			for n := range 20 {
				if _, err := ours.Put(ctx, "ours", fmt.Sprint(n)); err != nil {
					t.Fatal(err)
				}
			}
			before = capture(t, ctx, ours, compacted)
			end(member, c.kill)
			member.Restart()
			same(t, "restarted", before, capture(t, ctx, member.Connect(), compacted))
			if member.HasLogged("took over the data directory of etcd") {
				t.Fatal("a second takeover")
			}
		})
	}
}

func end(member *process.Member, kill bool) {
	if kill {
		member.Kill()
	} else {
		member.Stop()
	}
}

// buckets is the content of a database file.
func buckets(t *testing.T, file string) map[string]map[string]string {
	t.Helper()
	db, err := bolt.Open(file, 0o400, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	all := map[string]map[string]string{}
	if err := db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, bucket *bolt.Bucket) error {
			pairs := map[string]string{}
			all[string(name)] = pairs
			return bucket.ForEach(func(key, value []byte) error {
				pairs[string(key)] = string(value)
				return nil
			})
		})
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// Users, roles and alarms are carried over byte by byte.
func TestTakeoverKeepsAuth(t *testing.T) {
	ctx := limited(t)
	member := process.New(t, fast...)
	member.UseReal(true)
	member.Restart()
	real := member.Connect()
	few(t, ctx, real)
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(real.RoleAdd(ctx, "reader"))
	must(real.RoleGrantPermission(ctx, "reader", "a", "b", clientv3.PermissionType(clientv3.PermRead)))
	must(real.UserAdd(ctx, "someone", "secret"))
	must(real.UserGrantRole(ctx, "someone", "reader"))
	must(real.UserAdd(ctx, "root", "root"))
	must(real.UserGrantRole(ctx, "root", "root"))
	member.Stop()
	db := filepath.Join(member.DataDir(), "member", "snap", "db")
	before := buckets(t, db)
	if len(before["authUsers"]) != 2 || len(before["authRoles"]) != 1 {
		t.Fatalf("users and roles %v", before)
	}

	member.UseReal(false)
	member.Restart()
	member.Stop()
	back := filepath.Join(t.TempDir(), "back")
	etcdutl(t, "migrate", "--data-dir", member.DataDir(), "--to-etcd", back)
	after := buckets(t, filepath.Join(back, "member", "snap", "db"))
	for _, name := range []string{"auth", "authUsers", "authRoles", "alarm", "lease", "key", "members_removed"} {
		if !reflect.DeepEqual(before[name], after[name]) {
			t.Errorf("bucket %s was\n%q\nand is\n%q", name, before[name], after[name])
		}
	}
}

// A directory that a real etcd uses is left alone.
func TestTakeoverOfARunningEtcdIsRefused(t *testing.T) {
	member := process.New(t, fast...)
	member.UseReal(true)
	member.Restart()
	text := failedStart(t, member.DataDir())
	if !strings.Contains(text, "is locked by another process") {
		t.Fatal(text)
	}
	few(t, limited(t), member.Connect())
}

// As long as no mark was written, the way back needs no tool: the original database and the continued log.
func TestTakeoverCanBeUndone(t *testing.T) {
	ctx := limited(t)
	member := process.New(t, fast...)
	member.UseReal(true)
	member.Restart()
	few(t, ctx, member.Connect())
	member.Kill()
	member.UseReal(false)
	member.Restart()
	writeMore(t, ctx, member.Connect())
	before := capture(t, ctx, member.Connect(), -1)
	member.Kill()
	snap := filepath.Join(member.DataDir(), "member", "snap")
	if err := os.Rename(filepath.Join(snap, "db.etcd"), filepath.Join(snap, "db")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(member.DataDir(), "member", "store")); err != nil {
		t.Fatal(err)
	}
	member.UseReal(true)
	member.Restart()
	same(t, "undone", before, capture(t, ctx, member.Connect(), -1))
}

// The process is killed again and again while it takes a directory over; in the end nothing is missing.
func TestTakeoverIsKilled(t *testing.T) {
	ctx := limited(t)
	member := process.New(t, fast...)
	member.UseReal(true)
	member.Restart()
	real := member.Connect()
	big := strings.Repeat("v", 20_000)
	for n := range 300 {
		if _, err := real.Put(ctx, fmt.Sprint("big/", n), big); err != nil {
			t.Fatal(err)
		}
	}
	before := capture(t, ctx, real, -1)
	member.Kill()
	member.UseReal(false)
	for n := range 10 {
		member.Launch()
		time.Sleep(time.Duration(5*n*n) * time.Millisecond) // Any moment is a good one.
		member.Kill()
	}
	member.Restart()
	same(t, "taken over", before, capture(t, ctx, member.Connect(), -1))
	snap := filepath.Join(member.DataDir(), "member", "snap")
	if _, err := os.Stat(filepath.Join(snap, "db.etcd")); err != nil {
		t.Fatal(err)
	}
}

// Whoever had a password and permissions under etcd has them after the takeover, even if the last of it
// stood in the log alone.
func TestTakeoverWithAuthOn(t *testing.T) {
	ctx := limited(t)
	member := process.New(t, fast...)
	member.UseReal(true)
	member.Restart()
	real := member.Connect()
	few(t, ctx, real)
	as := func(name, password string) *clientv3.Client {
		t.Helper()
		client, err := clientv3.New(clientv3.Config{
			Endpoints: []string{member.Endpoint()}, Username: name, Password: password, DialTimeout: time.Minute,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		return client
	}
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(real.RoleAdd(ctx, "reader"))
	must(real.RoleGrantPermission(ctx, "reader", "key", "kez", clientv3.PermissionType(clientv3.PermRead)))
	must(real.UserAdd(ctx, "root", "root's"))
	must(real.UserGrantRole(ctx, "root", "root"))
	must(real.UserAdd(ctx, "someone", "secret"))
	must(real.UserGrantRole(ctx, "someone", "reader"))
	must(real.AuthEnable(ctx))
	before, err := as("root", "root's").AuthStatus(ctx)
	if err != nil {
		t.Fatal(err)
	}
	member.Kill()

	member.UseReal(false)
	member.Restart()
	after, err := as("root", "root's").AuthStatus(ctx)
	if err != nil || !after.Enabled || after.AuthRevision != before.AuthRevision {
		t.Fatalf("auth status was %v and is %v, %v", before, after, err)
	}
	someone := as("someone", "secret")
	must(someone.Get(ctx, "key0"))
	if _, err := someone.Put(ctx, "key0", ""); err == nil {
		t.Fatal("a reader writes")
	}
	if _, err := member.Connect().Get(ctx, "key0"); err == nil {
		t.Fatal("a stranger reads")
	}
	if _, err := clientv3.New(clientv3.Config{
		Endpoints: []string{member.Endpoint()}, Username: "someone", Password: "wrong", DialTimeout: time.Minute,
	}); err == nil {
		t.Fatal("a wrong password is taken")
	}
	users, err := as("root", "root's").UserList(ctx)
	if err != nil || !slices.Equal(users.Users, []string{"root", "someone"}) {
		t.Fatalf("users %v, %v", users, err)
	}
}
