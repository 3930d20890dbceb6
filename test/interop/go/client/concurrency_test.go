package client

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/client/v3/concurrency"
)

func (e *env) session(seconds int) *concurrency.Session {
	e.Helper()
	session, err := concurrency.NewSession(e.c, concurrency.WithTTL(seconds))
	e.check(err)
	return session
}

func TestConcurrencyMutex(t *testing.T) {
	e := start(t)
	const holders, rounds = 6, 10
	var inside, entered atomic.Int64
	var group sync.WaitGroup
	for range holders {
		mutex := concurrency.NewMutex(e.session(60), "/lock")
		group.Go(func() {
			for range rounds {
				if err := mutex.Lock(e.ctx); err != nil {
					e.Error(err)
					return
				}
				if inside.Add(1) != 1 {
					e.Error("two are inside")
				}
				entered.Add(1)
				inside.Add(-1)
				if err := mutex.Unlock(e.ctx); err != nil {
					e.Error(err)
				}
			}
		})
	}
	group.Wait()
	e.equal("entered", entered.Load(), int64(holders*rounds))
}

// Who holds a lock and vanishes loses it when the lease runs out.
func TestConcurrencyMutexOfTheDead(t *testing.T) {
	e := start(t)
	holder := e.session(2)
	first := concurrency.NewMutex(holder, "/lock")
	e.check(first.Lock(e.ctx))
	second := concurrency.NewMutex(e.session(60), "/lock")
	e.fails(second.TryLock(e.ctx), concurrency.ErrLocked)
	held, err := e.c.Txn(e.ctx).If(first.IsOwner()).Commit()
	e.check(err)
	e.equal("owner", held.Succeeded, true)
	holder.Orphan()
	e.check(second.Lock(e.ctx))
	held, err = e.c.Txn(e.ctx).If(first.IsOwner()).Commit()
	e.check(err)
	e.equal("no owner any more", held.Succeeded, false)
	e.check(second.Unlock(e.ctx))
}

func TestConcurrencyElection(t *testing.T) {
	e := start(t)
	first := concurrency.NewElection(e.session(60), "/election")
	second := concurrency.NewElection(e.session(60), "/election")
	_, err := first.Leader(e.ctx)
	e.fails(err, concurrency.ErrElectionNoLeader)
	observed := first.Observe(e.ctx)
	e.check(first.Campaign(e.ctx, "one"))
	leader := func() string { return string((<-observed).Kvs[0].Value) }
	e.equal("observed", leader(), "one")
	won := make(chan error, 1)
	go func() { won <- second.Campaign(e.ctx, "two") }()
	e.check(first.Proclaim(e.ctx, "one again"))
	e.equal("observed", leader(), "one again")
	current, err := second.Leader(e.ctx)
	e.check(err)
	e.equal("leader", string(current.Kvs[0].Value), "one again")
	select {
	case <-won:
		e.Fatal("two leaders")
	case <-time.After(200 * time.Millisecond):
	}
	e.check(first.Resign(e.ctx))
	e.check(<-won)
	e.equal("observed", leader(), "two")
	e.fails(first.Proclaim(e.ctx, "x"), concurrency.ErrElectionNotLeader)
	e.check(second.Resign(e.ctx))
}

func TestConcurrencySession(t *testing.T) {
	e := start(t)
	session := e.session(5)
	e.check(session.Close())
	<-session.Done()
	state, err := e.c.TimeToLive(e.ctx, session.Lease())
	e.check(err)
	e.equal("its lease is gone", state.TTL, int64(-1))
	revoked := e.session(2)
	_, err = e.c.Revoke(e.ctx, revoked.Lease())
	e.check(err)
	select {
	case <-revoked.Done():
	case <-time.After(20 * time.Second):
		e.Fatal("the session outlives its lease")
	}
}

// Money is moved between accounts by many at once: none is made or lost.
func TestConcurrencyTransactionalMemory(t *testing.T) {
	e := start(t)
	const accounts = 5
	account := func(n int) string { return fmt.Sprintf("account/%d", n%accounts) }
	for _, isolation := range []concurrency.Isolation{
		concurrency.SerializableSnapshot, concurrency.Serializable, concurrency.RepeatableReads,
	} {
		for n := range accounts {
			e.put(account(n), "100")
		}
		var group sync.WaitGroup
		for worker := range 5 {
			group.Go(func() {
				for n := range 10 {
					from, to := account(worker+n), account(worker+2*n+1)
					move := func(memory concurrency.STM) error {
						source, _ := strconv.Atoi(memory.Get(from))
						target, _ := strconv.Atoi(memory.Get(to))
						if from != to {
							memory.Put(from, strconv.Itoa(source-7))
							memory.Put(to, strconv.Itoa(target+7))
						}
						return nil
					}
					if _, err := concurrency.NewSTM(e.c, move, concurrency.WithIsolation(isolation)); err != nil {
						e.Error(err)
					}
				}
			})
		}
		group.Wait()
		sum := 0
		for n := range accounts {
			balance, _ := strconv.Atoi(string(e.get(account(n)).Kvs[0].Value))
			sum += balance
		}
		e.equal(fmt.Sprintf("sum with isolation %d", isolation), sum, accounts*100)
	}
	var order []string
	_, err := concurrency.NewSTM(e.c, func(memory concurrency.STM) error {
		order = append(order, memory.Get("none"), strconv.FormatInt(memory.Rev(account(0)), 10))
		memory.Del(account(0))
		return nil
	}, concurrency.WithPrefetch(account(0)), concurrency.WithAbortContext(context.Background()))
	e.check(err)
	e.equal("deleted", e.get(account(0)).Count, int64(0))
	e.equal("read", slices.Contains(order, ""), true)
}
