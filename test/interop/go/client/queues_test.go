package client

import (
	"context"
	"fmt"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3election/v3electionpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
)

// queued waits until so many keys stand in a queue.
func (e *env) queued(name string, count int64) {
	e.Helper()
	e.eventually(fmt.Sprintf("%d in the queue", count), func() bool {
		return e.get(name+"/", clientv3.WithPrefix(), clientv3.WithCountOnly()).Count == count
	})
}

// Clients that keep the queue themselves and clients of the service stand in one queue, in the order
// in which they came.
func TestConcurrencyPackageAndLockService(t *testing.T) {
	e := start(t)
	service := v3lockpb.NewLockClient(e.c.ActiveConnection())
	const rounds = 3
	turns := make(chan string, 2*rounds)
	first := concurrency.NewMutex(e.session(60), "/lock")
	e.check(first.Lock(e.ctx))
	var want []string
	for n := range rounds {
		mutex := concurrency.NewMutex(e.session(60), "/lock")
		go func() {
			err := mutex.Lock(e.ctx)
			turns <- fmt.Sprintf("package %d %v", n, err)
			mutex.Unlock(e.ctx)
		}()
		e.queued("/lock", int64(2*n+2))
		lease := e.session(60).Lease()
		go func() {
			held, err := service.Lock(e.ctx, &v3lockpb.LockRequest{Name: []byte("/lock"), Lease: int64(lease)})
			turns <- fmt.Sprintf("service %d %v", n, err)
			if key := fmt.Sprintf("/lock/%x", lease); string(held.GetKey()) != key {
				t.Errorf("got the key %s, want %s", held.GetKey(), key)
			}
			service.Unlock(e.ctx, &v3lockpb.UnlockRequest{Key: held.GetKey()})
		}()
		e.queued("/lock", int64(2*n+3))
		want = append(want, fmt.Sprintf("package %d <nil>", n), fmt.Sprintf("service %d <nil>", n))
	}
	e.check(first.Unlock(e.ctx))
	for _, turn := range want {
		e.equal("turn", <-turns, turn)
	}
}

func TestConcurrencyPackageAndElectionService(t *testing.T) {
	e := start(t)
	service := v3electionpb.NewElectionClient(e.c.ActiveConnection())
	name := []byte("/election")
	inPackage := concurrency.NewElection(e.session(60), string(name))
	observed := inPackage.Observe(e.ctx)
	session := e.session(60)
	request := &v3electionpb.CampaignRequest{Name: name, Lease: int64(session.Lease()), Value: []byte("service")}
	won, err := service.Campaign(e.ctx, request)
	e.check(err)
	e.equal("observed", string((<-observed).Kvs[0].Value), "service")
	stream, err := service.Observe(e.ctx, &v3electionpb.LeaderRequest{Name: name})
	e.check(err)
	told := func() string {
		answer, err := stream.Recv()
		e.check(err)
		return string(answer.Kv.Value)
	}
	e.equal("told", told(), "service")

	next := make(chan error, 1)
	go func() { next <- inPackage.Campaign(e.ctx, "package") }()
	e.queued(string(name), 2)
	// The package takes over what the service has won.
	resumed := concurrency.ResumeElection(session, string(name), string(won.Leader.Key), won.Leader.Rev)
	e.check(resumed.Proclaim(e.ctx, "resumed"))
	e.equal("told", told(), "resumed")
	_, err = service.Resign(e.ctx, &v3electionpb.ResignRequest{Leader: won.Leader})
	e.check(err)
	e.check(<-next)
	e.equal("told", told(), "package")
	leader, err := service.Leader(e.ctx, &v3electionpb.LeaderRequest{Name: name})
	e.check(err)
	e.equal("leader", string(leader.Kv.Key), inPackage.Key())

	waiting, giveUp := context.WithCancel(e.ctx)
	lost := make(chan error, 1)
	go func() {
		_, err := service.Campaign(waiting, request)
		lost <- err
	}()
	e.queued(string(name), 2)
	giveUp()
	if err := <-lost; err == nil {
		e.Error("elected beside another leader")
	}
	e.queued(string(name), 1)
}
