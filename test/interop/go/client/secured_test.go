package client

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.uber.org/zap"

	"interop/process"
)

// authority signs certificates that are made on the spot.
type authority struct {
	t    *testing.T
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir(), key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err == nil {
		a.cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// write writes a PEM file and tells its path.
func (a *authority) write(name, kind string, der []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	block := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(path, block, 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// issue signs for somebody; the key's file is in the form that is older than PKCS #8.
func (a *authority) issue(name string) (cert, key string) {
	a.t.Helper()
	own := newKey(a.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, own.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	form, err := x509.MarshalECPrivateKey(own)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.write(name+".pem", "CERTIFICATE", der), a.write(name+".key", "EC PRIVATE KEY", form)
}

// client is what somebody shows and believes.
func (a *authority) client(name string) *tls.Config {
	a.t.Helper()
	pair, err := tls.LoadX509KeyPair(a.issue(name))
	if err != nil {
		a.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}
}

// secured is a member that asks its clients for certificates, and one of those without a user's name.
func secured(t *testing.T, flags ...string) (*env, *authority) {
	t.Helper()
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.issue("server")
	flags = append(flags, "--cert-file="+cert, "--key-file="+key, "--client-cert-auth",
		"--trusted-ca-file="+a.write("ca.pem", "CERTIFICATE", a.cert.Raw))
	member := process.Start(t, flags...)
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	t.Cleanup(cancel)
	e := &env{T: t, member: member, ctx: ctx, tls: a.client("root")}
	e.c = e.certified(e.tls)
	return e, a
}

// certified is a client with a certificate and without a password.
func (e *env) certified(config *tls.Config) *clientv3.Client {
	e.Helper()
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{e.member.Endpoint()}, TLS: config, Logger: zap.NewNop(),
	})
	e.check(err)
	e.Cleanup(func() { client.Close() })
	return client
}

// A certificate is a user where nobody shows a token.
func TestSecuredCertificates(t *testing.T) {
	e, a := secured(t)
	e.users()
	alice := e.certified(a.client("alice"))
	_, err := alice.Put(e.ctx, "a1", "1")
	e.check(err)
	_, err = alice.Put(e.ctx, "b", "")
	e.fails(err, rpctypes.ErrPermissionDenied)
	_, err = e.certified(a.client("nobody")).Get(e.ctx, "a1")
	e.fails(err, rpctypes.ErrPermissionDenied)
	// The certificate is root's, the password alice's: the token comes first.
	_, err = e.as("alice").Put(e.ctx, "b", "")
	e.fails(err, rpctypes.ErrPermissionDenied)
	e.put("b", "")
	session, err := concurrency.NewSession(alice)
	e.check(err)
	mutex := concurrency.NewMutex(session, "alock")
	e.check(mutex.Lock(e.ctx))
	e.check(mutex.Unlock(e.ctx))
	stranger, err := clientv3.New(clientv3.Config{
		Endpoints: []string{e.member.Endpoint()}, TLS: newAuthority(t).client("root"),
		DialTimeout: time.Second, Logger: zap.NewNop(),
	})
	e.check(err)
	defer stranger.Close()
	ctx, cancel := context.WithTimeout(e.ctx, 2*time.Second)
	defer cancel()
	if _, err = stranger.Get(ctx, "a1"); err == nil {
		e.Fatal("a certificate of another authority was let in")
	}
}

// outlive uses clients for longer than their tokens live.
func outlive(e *env) {
	e.Helper()
	e.users()
	alice, root := e.as("alice"), e.as("root")
	watch := alice.Watch(e.ctx, "a", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-watch
	lease, err := alice.Grant(e.ctx, 60)
	e.check(err)
	_, err = alice.Put(e.ctx, "a1", "1", clientv3.WithLease(lease.ID))
	e.check(err)
	e.equal("events", events((<-watch).Events), "PUT a1=1@2")
	time.Sleep(3500 * time.Millisecond)
	// New tokens are got, and nobody notices.
	_, err = alice.KeepAliveOnce(e.ctx, lease.ID)
	e.check(err)
	_, err = root.Put(e.ctx, "a1", "2")
	e.check(err)
	e.equal("events", events((<-watch).Events), "PUT a1=2@3")
	_, err = root.RoleRevokePermission(e.ctx, "alice", "a", "b")
	e.check(err)
	_, err = alice.Get(e.ctx, "a1")
	e.fails(err, rpctypes.ErrPermissionDenied)
	for _, secret := range []string{"alice's password", "root's password"} {
		if e.member.HasLogged(secret) {
			e.Fatal("a secret is in the log")
		}
	}
}

// Simple tokens that end are renewed, and what they opened goes on.
func TestSecuredSimpleTokens(t *testing.T) {
	e, _ := secured(t, "--auth-token-ttl=2")
	outlive(e)
}

// Signed tokens of every method: keys in each form that Go's tools write.
func TestSecuredSignedTokens(t *testing.T) {
	for _, method := range []string{"HS256", "RS256", "PS512", "ES256", "ES384", "ES512", "EdDSA"} {
		t.Run(method, func(t *testing.T) {
			a := newAuthority(t)
			keys := signingKeys(a, method)
			e, _ := secured(t, "--auth-token=jwt,sign-method="+method+keys+",ttl=2s")
			outlive(e)
		})
	}
}

// signingKeys writes the key files of a method and tells the options that name them.
func signingKeys(a *authority, method string) string {
	var private crypto.Signer
	var err error
	kind, form := "PRIVATE KEY", []byte(nil)
	switch {
	case strings.HasPrefix(method, "HS"):
		return ",priv-key=" + a.write("secret", "SECRET", []byte("a secret of some length"))
	case method == "RS256":
		key, failed := rsa.GenerateKey(rand.Reader, 2048)
		private, err, kind = key, failed, "RSA PRIVATE KEY"
		form = x509.MarshalPKCS1PrivateKey(key)
	case method == "PS512":
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case method == "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case method == "ES384":
		key, failed := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		private, err, kind = key, failed, "EC PRIVATE KEY"
		form, _ = x509.MarshalECPrivateKey(key)
	case method == "ES512":
		private, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	default:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	}
	if err == nil && form == nil {
		form, err = x509.MarshalPKCS8PrivateKey(private)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		a.t.Fatal(err)
	}
	return ",priv-key=" + a.write("jwt.key", kind, form) + ",pub-key=" + a.write("jwt.pub", "PUBLIC KEY", public)
}
