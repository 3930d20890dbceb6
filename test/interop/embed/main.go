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

func main() {
	dir := flag.String("data-dir", "", "data directory")
	clientPort := flag.Int("client-port", 2379, "port for clients on 127.0.0.1")
	peerPort := flag.Int("peer-port", 2380, "port for members on 127.0.0.1")
	quota := flag.Int64("quota", 0, "bytes that the backend may have; 0 for etcd's default")
	flag.Parse()
	if err := run(*dir, *clientPort, *peerPort, *quota); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir string, clientPort, peerPort int, quota int64) error {
	config := embed.NewConfig()
	config.Dir = dir
	config.LogLevel = "error"
	config.QuotaBackendBytes = quota
	client, peer := local(clientPort), local(peerPort)
	config.ListenClientUrls, config.AdvertiseClientUrls = client, client
	config.ListenPeerUrls, config.AdvertisePeerUrls = peer, peer
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	member, err := embed.StartEtcd(config)
	if err != nil {
		return err
	}
	select {
	case <-member.Server.ReadyNotify():
		fmt.Printf("READY %d\n", clientPort)
	case err := <-member.Err():
		return err
	}
	return <-member.Err()
}

func local(port int) []url.URL {
	return []url.URL{{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)}}
}
