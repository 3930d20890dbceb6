package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"interop/process"
)

// mixed is a cluster whose members are etcd's and ours.
type mixed struct {
	*testing.T
	ctx      context.Context
	members  []*process.Member
	user     string
	password string
	// A client of each member, made when it is first asked.
	clients []*clientv3.Client
}

// mixedFlags make elections quick, snapshots frequent, and have every check of hashes on.
var mixedFlags = append([]string{
	"--snapshot-count=100", "--snapshot-catchup-entries=20", "--bcrypt-cost=4",
	"--feature-gates=InitialCorruptCheck=true,CompactHashCheck=true",
	"--corrupt-check-time=2s", "--compact-hash-check-time=1s",
}, "--heartbeat-interval=50", "--election-timeout=500")

// startMixed starts members of one kind, between which there is TLS if that is wanted.
func startMixed(t *testing.T, ctx context.Context, size int, real, secure bool) *mixed {
	t.Helper()
	c := &mixed{T: t, ctx: ctx, clients: make([]*clientv3.Client, size)}
	var certificates []string
	if secure {
		certificates = peerCertificates(t)
	}
	for n := range size {
		member := process.New(t, slices.Concat(mixedFlags, certificates, []string{"--name=" + memberName(n)})...)
		if secure {
			member.SecurePeers()
		}
		member.UseReal(real)
		c.members = append(c.members, member)
	}
	for _, member := range c.members {
		member.AddFlags("--initial-cluster=" + c.initialCluster())
		member.Launch()
	}
	for _, member := range c.members {
		member.AwaitReady()
	}
	return c
}

func memberName(n int) string { return fmt.Sprint("m", n) }

func (c *mixed) initialCluster() string {
	var all []string
	for n, member := range c.members {
		all = append(all, memberName(n)+"="+member.PeerURL())
	}
	return strings.Join(all, ",")
}

func (c *mixed) endpoints() []string {
	var all []string
	for _, member := range c.members {
		all = append(all, member.Endpoint())
	}
	return all
}

// at is a client of one member.
func (c *mixed) at(n int) *clientv3.Client {
	c.Helper()
	if c.clients[n] == nil {
		c.clients[n] = c.members[n].ConnectAs(c.user, c.password)
	}
	return c.clients[n]
}

func (c *mixed) must(what string, err error) {
	c.Helper()
	if err != nil {
		c.Fatalf("%s: %v", what, err)
	}
}

// eventually asks again until it works: elections and restarts take their time.
func (c *mixed) eventually(what string, try func(context.Context) error) {
	c.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		ctx, cancel := context.WithTimeout(c.ctx, 5*time.Second)
		err := try(ctx)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			c.Fatalf("%s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// enableAuth makes everybody log in as root from here on.
func (c *mixed) enableAuth() {
	c.Helper()
	client := c.at(0)
	_, err := client.UserAdd(c.ctx, "root", "root's")
	c.must("user add", err)
	_, err = client.UserGrantRole(c.ctx, "root", "root")
	c.must("grant", err)
	_, err = client.AuthEnable(c.ctx)
	c.must("auth enable", err)
	c.user, c.password = "root", "root's"
	clear(c.clients)
}

// id is the id of a member.
func (c *mixed) id(n int) uint64 {
	c.Helper()
	var id uint64
	c.eventually("status", func(ctx context.Context) error {
		status, err := c.at(n).Status(ctx, c.members[n].Endpoint())
		if err == nil {
			id = status.Header.MemberId
		}
		return err
	})
	return id
}

// lead makes a member the leader.
func (c *mixed) lead(n int) {
	c.Helper()
	c.eventually("move leader", func(ctx context.Context) error {
		status, err := c.at(n).Status(ctx, c.members[n].Endpoint())
		if err != nil || status.Leader == status.Header.MemberId {
			return err
		}
		for m := range c.members {
			if m != n && c.members[m].Runs() && c.id(m) == status.Leader {
				if _, err := c.at(m).MoveLeader(ctx, status.Header.MemberId); err != nil {
					return err
				}
			}
		}
		return fmt.Errorf("%s does not lead yet", memberName(n))
	})
}

// swap goes on with a member's directory as the other kind.
func (c *mixed) swap(n int, real, kill bool) {
	c.Helper()
	member := c.members[n]
	end(member, kill)
	if real {
		handOver(c.T, member)
		c.must("remove", os.RemoveAll(member.DataDir()+".ours"))
	}
	member.UseReal(real)
	member.Restart()
	if !real {
		// The next takeover wants the original away.
		c.must("remove", os.Remove(filepath.Join(member.DataDir(), "member", "snap", "db.etcd")))
	}
}

// replace removes a member and adds one of either kind in its place, perhaps as a learner first.
func (c *mixed) replace(n int, real, learner bool) {
	c.Helper()
	member, other := c.members[n], c.at((n+1)%len(c.members))
	id := c.id(n)
	c.eventually("member remove", func(ctx context.Context) error {
		_, err := other.MemberRemove(ctx, id)
		return err
	})
	member.AwaitEnd()
	member.Forget()
	member.UseReal(real)
	member.AddFlags("--initial-cluster-state=existing", "--initial-cluster="+c.initialCluster())
	var added uint64
	c.eventually("member add", func(ctx context.Context) error {
		urls := []string{member.PeerURL()}
		add := other.MemberAdd
		if learner {
			add = other.MemberAddAsLearner
		}
		response, err := add(ctx, urls)
		if err == nil {
			added = response.Member.ID
		}
		return err
	})
	member.Restart()
	if learner {
		c.eventually("promote", func(ctx context.Context) error {
			_, err := other.MemberPromote(ctx, added)
			return err
		})
	}
}

// agree waits until all members have caught up, and compares them; the revision that they were compared at.
func (c *mixed) agree() int64 {
	c.Helper()
	var revision int64
	for n := range c.members {
		c.eventually("get", func(ctx context.Context) error {
			got, err := c.at(n).Get(ctx, "k")
			if err == nil {
				revision = max(revision, got.Header.Revision)
			}
			return err
		})
	}
	var hashes []string
	for n, member := range c.members {
		c.eventually("hash", func(ctx context.Context) error {
			got, err := c.at(n).HashKV(ctx, member.Endpoint(), revision)
			if err == nil {
				hashes = append(hashes, fmt.Sprintf("%x since %d", got.Hash, got.CompactRevision))
			}
			return err
		})
	}
	if len(slices.Compact(hashes)) > 1 {
		c.Fatalf("violation: hashes at %d: %q", revision, hashes)
	}
	// What a member says of itself and of its storage reaches the others a little later.
	c.eventually("views", func(ctx context.Context) error {
		var views []string
		for n := range c.members {
			view, err := c.view(ctx, n)
			if err != nil {
				return err
			}
			views = append(views, view)
		}
		if len(slices.Compact(slices.Clone(views))) > 1 {
			return fmt.Errorf("the members say\n%s", strings.Join(views, "\n"))
		}
		return nil
	})
	return revision
}

// view is what a member says of the cluster.
func (c *mixed) view(ctx context.Context, n int) (string, error) {
	c.Helper()
	members, err := c.at(n).MemberList(ctx)
	if err != nil {
		return "", err
	}
	for _, member := range members.Members {
		if member.Name == "" || len(member.ClientURLs) == 0 || member.IsLearner {
			return "", fmt.Errorf("not published: %v", member)
		}
	}
	alarms, err := c.at(n).AlarmList(ctx)
	if err != nil {
		return "", err
	}
	status, err := c.at(n).Status(ctx, c.members[n].Endpoint())
	if err != nil {
		return "", err
	}
	version, err := clusterVersion(c.members[n].Endpoint())
	view := fmt.Sprintf("cluster %x of version %s, storage %s, members %v, alarms %v", status.Header.ClusterId,
		version, status.StorageVersion, members.Members, alarms.Alarms)
	if len(alarms.Alarms) > 0 {
		c.Fatalf("%s: %s %q", memberName(n), view, status.Errors)
	}
	return view, err
}

func clusterVersion(endpoint string) (string, error) {
	response, err := http.Get(endpoint + "/version")
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	var version struct {
		Cluster string `json:"etcdcluster"`
	}
	return version.Cluster, json.Unmarshal(text, &version)
}

// peerCertificates makes certificates for TLS between members of this machine: the flags that name them.
func peerCertificates(t *testing.T) []string {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	authority, leaf := newKey(t), newKey(t)
	template := func(serial int64) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: fmt.Sprint("peer ", serial)},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), BasicConstraintsValid: true,
		}
	}
	root, member := template(1), template(2)
	root.IsCA, root.KeyUsage = true, x509.KeyUsageCertSign
	member.KeyUsage = x509.KeyUsageDigitalSignature
	member.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	member.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	ca, err := x509.CreateCertificate(rand.Reader, root, root, &authority.PublicKey, authority)
	check(err)
	certificate, err := x509.CreateCertificate(rand.Reader, member, root, &leaf.PublicKey, authority)
	check(err)
	private, err := x509.MarshalECPrivateKey(leaf)
	check(err)
	dir := t.TempDir()
	write := func(name, kind string, bytes []byte) string {
		path := filepath.Join(dir, name)
		check(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600))
		return path
	}
	return []string{
		"--peer-cert-file=" + write("cert.pem", "CERTIFICATE", certificate),
		"--peer-key-file=" + write("key.pem", "EC PRIVATE KEY", private),
		"--peer-trusted-ca-file=" + write("ca.pem", "CERTIFICATE", ca),
		"--peer-client-cert-auth",
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
