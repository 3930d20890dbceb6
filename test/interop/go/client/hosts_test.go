package client

import (
	"context"
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
)

// What etcd's client 3.5.0 names instead of a host, and what clients of a socket in a file system name.
//
// Each call has another timeout: the table of both sides that keeps the fields forgets the host, and
// the client names it again.
func TestHostsThatAreNone(t *testing.T) {
	e := start(t)
	endpoints := []string{e.member.Endpoint()}
	for _, host := range []string{"#initially=[" + endpoints[0] + "]", "/run/etcd.sock", "%2Frun%2Fetcd"} {
		options := []grpc.DialOption{grpc.WithAuthority(host)}
		client, err := clientv3.New(clientv3.Config{Endpoints: endpoints, DialOptions: options})
		e.check(err)
		watch := client.Watch(e.ctx, "k")
		for n := range 200 {
			ctx, cancel := context.WithTimeout(e.ctx, time.Minute+time.Duration(n)*time.Second)
			_, err := client.Put(ctx, "k", fmt.Sprint(n))
			cancel()
			e.check(err)
		}
		if got := <-watch; len(got.Events) == 0 {
			e.Fatalf("%s: got no event but %v", host, got)
		}
		e.check(client.Close())
	}
}
