// Embed runs one member of the published etcd in a process of its own, so that a
// bench or a test can compare with it. It prints a line that begins with READY once it
// serves clients, and runs until it is killed.
package main

import (
	"flag"
	"fmt"
	"net/url"
	"os"

	"go.etcd.io/etcd/server/v3/embed"
)

// options are what the caller chooses; what is zero or empty has etcd's default.
type options struct {
	dir, name, initialCluster string
	authToken, cert, key      string
	clientPort, peerPort      int
	quota                     int64
	snapshotCount, catchUp    uint64
}

func main() {
	var o options
	flag.StringVar(&o.dir, "data-dir", "", "data directory")
	flag.StringVar(&o.name, "name", "default", "name of the member")
	flag.StringVar(&o.initialCluster, "initial-cluster", "", "all members; empty for this one alone")
	flag.IntVar(&o.clientPort, "client-port", 2379, "port for clients on 127.0.0.1")
	flag.IntVar(&o.peerPort, "peer-port", 2380, "port for members on 127.0.0.1")
	flag.Int64Var(&o.quota, "quota-backend-bytes", 0, "bytes that the backend may have")
	flag.StringVar(&o.authToken, "auth-token", "simple", "kind of tokens and its options")
	flag.StringVar(&o.cert, "cert-file", "", "certificate for clients; empty for no TLS")
	flag.StringVar(&o.key, "key-file", "", "key of that certificate")
	flag.Uint64Var(&o.snapshotCount, "snapshot-count", 0, "entries between two snapshots")
	flag.Uint64Var(&o.catchUp, "catch-up", 0, "entries that stay behind a snapshot")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(o options) error {
	config := embed.NewConfig()
	config.Dir, config.Name = o.dir, o.name
	config.LogLevel = "error"
	config.QuotaBackendBytes = o.quota
	config.AuthToken = o.authToken
	config.ClientTLSInfo.CertFile, config.ClientTLSInfo.KeyFile = o.cert, o.key
	scheme := "http"
	if o.cert != "" {
		scheme = "https"
	}
	client, peer := local(scheme, o.clientPort), local("http", o.peerPort)
	config.ListenClientUrls, config.AdvertiseClientUrls = client, client
	config.ListenPeerUrls, config.AdvertisePeerUrls = peer, peer
	config.InitialCluster = o.initialCluster
	if o.initialCluster == "" {
		config.InitialCluster = config.InitialClusterFromName(config.Name)
	}
	if o.snapshotCount > 0 {
		config.SnapshotCount = o.snapshotCount
	}
	if o.catchUp > 0 {
		config.SnapshotCatchUpEntries = o.catchUp
	}
	member, err := embed.StartEtcd(config)
	if err != nil {
		return err
	}
	select {
	case <-member.Server.ReadyNotify():
		fmt.Printf("READY %d\n", o.clientPort)
	case err := <-member.Err():
		return err
	}
	return <-member.Err()
}

func local(scheme string, port int) []url.URL {
	return []url.URL{{Scheme: scheme, Host: fmt.Sprintf("127.0.0.1:%d", port)}}
}
