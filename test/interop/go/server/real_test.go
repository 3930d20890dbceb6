// Package server lets etcd's own server code read what a member wrote: its snapshots, its log, its
// hashes.
package server

import (
	"context"
	"net/url"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// startReal starts a real etcd member in this process; `configure` may change what it is told.
func startReal(t *testing.T, configure func(*embed.Config)) *clientv3.Client {
	t.Helper()
	config := embed.NewConfig()
	config.Dir = t.TempDir()
	// When it takes this process with it, it says why.
	config.LogLevel, config.LogOutputs = "fatal", []string{"stderr"}
	any := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	config.ListenClientUrls, config.ListenPeerUrls = []url.URL{any}, []url.URL{any}
	config.TickMs, config.ElectionMs = 10, 100
	config.UnsafeNoFsync = true
	configure(config)
	real, err := embed.StartEtcd(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(real.Close)
	select {
	case <-real.Server.ReadyNotify():
	case <-time.After(time.Minute):
		t.Fatal("the real etcd is not ready")
	}
	return connect(t, real.Clients[0].Addr().String())
}

func connect(t *testing.T, endpoint string) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// limited is a context for a whole test.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}
