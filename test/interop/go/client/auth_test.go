package client

import (
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
)

// users makes root, who may do everything, and alice, who may read and write keys that begin with a, and
// turns authentication on.
func (e *env) users() {
	e.Helper()
	for _, name := range []string{"root", "alice"} {
		_, err := e.c.UserAdd(e.ctx, name, name+"'s password")
		e.check(err)
		_, err = e.c.RoleAdd(e.ctx, name)
		e.check(err)
		_, err = e.c.UserGrantRole(e.ctx, name, name)
		e.check(err)
	}
	_, err := e.c.RoleGrantPermission(e.ctx, "alice", "a", "b", clientv3.PermissionType(clientv3.PermReadWrite))
	e.check(err)
	_, err = e.c.AuthEnable(e.ctx)
	e.check(err)
}

// as is a client of a user.
func (e *env) as(name string) *clientv3.Client {
	e.Helper()
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{e.member.Endpoint()}, Username: name, Password: name + "'s password",
		TLS: e.tls,
	})
	e.check(err)
	e.Cleanup(func() { client.Close() })
	return client
}

// Users do what their roles allow, and nothing else.
func TestAuthRights(t *testing.T) {
	e := start(t)
	_, err := e.c.AuthEnable(e.ctx)
	e.fails(err, rpctypes.ErrRootUserNotExist)
	e.users()
	_, err = e.c.Get(e.ctx, "a")
	e.fails(err, rpctypes.ErrUserEmpty)
	_, err = clientv3.New(clientv3.Config{Endpoints: []string{e.member.Endpoint()}, Username: "alice", Password: "guess"})
	e.fails(err, rpctypes.ErrAuthFailed)
	alice := e.as("alice")
	_, err = alice.Put(e.ctx, "a1", "1")
	e.check(err)
	_, err = alice.Get(e.ctx, "a", clientv3.WithPrefix())
	e.check(err)
	for _, ask := range []func() error{
		func() error { _, err := alice.Put(e.ctx, "b", ""); return err },
		func() error { _, err := alice.Get(e.ctx, "a", clientv3.WithFromKey()); return err },
		func() error { _, err := alice.Delete(e.ctx, "", clientv3.WithPrefix()); return err },
		func() error {
			_, err := alice.Txn(e.ctx).If(clientv3.Compare(clientv3.Version("b"), "=", 0)).Commit()
			return err
		},
		func() error { _, err := alice.Compact(e.ctx, 1); return err },
		func() error { _, err := alice.UserList(e.ctx); return err },
		func() error { _, err := alice.RoleGet(e.ctx, "root"); return err },
		func() error { _, err := alice.HashKV(e.ctx, e.member.Endpoint(), 0); return err },
	} {
		e.fails(ask(), rpctypes.ErrPermissionDenied)
	}
	own, err := alice.UserGet(e.ctx, "alice")
	e.check(err)
	e.equal("roles", own.Roles, []string{"alice"})
	_, err = alice.MemberList(e.ctx)
	e.check(err)
	root := e.as("root")
	_, err = root.UserDelete(e.ctx, "root")
	e.fails(err, rpctypes.ErrInvalidAuthMgmt)
	status, err := root.AuthStatus(e.ctx)
	e.check(err)
	e.equal("enabled", status.Enabled, true)
	_, err = root.AuthDisable(e.ctx)
	e.check(err)
	e.get("a1")
}

// A client gets a new token by itself when its own is gone: with the member's restart, or with its time to live.
func TestAuthTokenRefresh(t *testing.T) {
	e := start(t, "--auth-token-ttl=2")
	e.users()
	alice := e.as("alice")
	_, err := alice.Put(e.ctx, "a1", "1")
	e.check(err)
	e.member.Kill()
	e.member.Restart()
	e.eventually("the client finds the member again", func() bool {
		_, err = alice.Get(e.ctx, "a1")
		return err == nil
	})
	// Longer than a token lives unused.
	time.Sleep(3500 * time.Millisecond)
	_, err = alice.Put(e.ctx, "a1", "2")
	e.check(err)
}

// A watch lives on when the token that opened it has ended, and ends when its user loses the right.
func TestAuthWatch(t *testing.T) {
	e := start(t, "--auth-token-ttl=2")
	e.users()
	alice, root := e.as("alice"), e.as("root")
	watch := alice.Watch(e.ctx, "a", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-watch
	denied := <-alice.Watch(e.ctx, "a", clientv3.WithFromKey())
	if err := denied.Err(); err == nil || !strings.Contains(err.Error(), "permission denied") {
		e.Fatalf("the watch was not refused: %v", err)
	}
	time.Sleep(3500 * time.Millisecond)
	_, err := root.Put(e.ctx, "a1", "1")
	e.check(err)
	e.equal("events", events((<-watch).Events), "PUT a1=1@2")
	_, err = root.UserRevokeRole(e.ctx, "alice", "alice")
	e.check(err)
	ended := <-watch
	if err := ended.Err(); err == nil || !strings.Contains(err.Error(), "permission denied") {
		// A real etcd goes on telling what the user may no longer read.
		e.Fatalf("the watch goes on: %v %v", ended, err)
	}
}

// Who changes a password ends the tokens of the old one.
func TestAuthPasswords(t *testing.T) {
	e := start(t)
	e.users()
	root := e.as("root")
	token, err := root.Authenticate(e.ctx, "alice", "alice's password")
	e.check(err)
	_, err = root.UserChangePassword(e.ctx, "alice", "new")
	e.check(err)
	_, err = root.Authenticate(e.ctx, "alice", "alice's password")
	e.fails(err, rpctypes.ErrAuthFailed)
	_, err = root.Authenticate(e.ctx, "alice", "new")
	e.check(err)
	old, err := clientv3.New(clientv3.Config{Endpoints: []string{e.member.Endpoint()}, Token: token.Token})
	e.check(err)
	defer old.Close()
	_, err = old.Get(e.ctx, "a")
	e.fails(err, rpctypes.ErrInvalidAuthToken)
	_, err = root.UserAddWithOptions(e.ctx, "bob", "", &clientv3.UserAddOptions{NoPassword: true})
	e.check(err)
	_, err = root.Authenticate(e.ctx, "bob", "")
	e.failsAs(err, codes.Unknown, "auth: authentication failed, password was given for no password user")
	if e.member.HasLogged("alice's password") || e.member.HasLogged(token.Token) {
		e.Fatal("a secret is in the log")
	}
}

// Leases belong to those who may write their keys.
func TestAuthLeases(t *testing.T) {
	e := start(t)
	e.users()
	alice, root := e.as("alice"), e.as("root")
	lease, err := alice.Grant(e.ctx, 600)
	e.check(err)
	_, err = alice.Put(e.ctx, "a1", "", clientv3.WithLease(lease.ID))
	e.check(err)
	_, err = alice.KeepAliveOnce(e.ctx, lease.ID)
	e.check(err)
	_, err = root.Put(e.ctx, "b", "", clientv3.WithLease(lease.ID))
	e.check(err)
	_, err = alice.KeepAliveOnce(e.ctx, lease.ID)
	e.fails(err, rpctypes.ErrPermissionDenied)
	_, err = alice.Revoke(e.ctx, lease.ID)
	e.fails(err, rpctypes.ErrPermissionDenied)
	_, err = alice.TimeToLive(e.ctx, lease.ID, clientv3.WithAttachedKeys())
	e.fails(err, rpctypes.ErrPermissionDenied)
	_, err = alice.Put(e.ctx, "a2", "", clientv3.WithLease(lease.ID))
	e.fails(err, rpctypes.ErrPermissionDenied)
	_, err = root.Revoke(e.ctx, lease.ID)
	e.check(err)
}
