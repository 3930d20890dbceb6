package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"interop/history"
)

const (
	prefix = "f/"
	// Two keys that are only ever written together.
	left, right = prefix + "left", prefix + "right"
	// The key whose change ends the history.
	last = prefix + "last"
	// How long the cluster may take to be whole again.
	patience = 60 * time.Second
	// How long one key's history may be thought about.
	judgeLimit = 60 * time.Second
	// The most complaints that are reported.
	complaints = 20
)

type settings struct {
	endpoints    []string
	spread, keys int
	limit, pause time.Duration
	pinned       bool
	stale        bool
	picture      string
}

// run is what all clients share.
type run struct {
	settings
	log              *history.Log
	answered, failed atomic.Int64
	value            atomic.Int64

	clients []*client
	watches []*watch
	cancel  context.CancelFunc
	running sync.WaitGroup

	mutex  sync.Mutex
	errors map[string]int
	torn   []string
}

// report is what came of it.
type report struct {
	Operations int            `json:"operations"`
	Unknown    int            `json:"unknown"`
	Events     int            `json:"events"`
	Watches    int            `json:"watches"`
	Resumed    int            `json:"resumed"`
	Revision   int64          `json:"revision"`
	Errors     map[string]int `json:"errors"`
	Wrong      []string       `json:"wrong"`
}

func begin(s settings) (*run, error) {
	r := &run{settings: s, log: history.NewLog(), errors: map[string]int{}}
	groups := [][]string{}
	if s.pinned {
		for _, endpoint := range s.endpoints {
			groups = append(groups, []string{endpoint})
		}
	}
	for range s.spread {
		groups = append(groups, s.endpoints)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	for number, endpoints := range groups {
		connection, err := connect(endpoints)
		if err != nil {
			cancel()
			return nil, err
		}
		random := rand.New(rand.NewPCG(uint64(number), 1))
		c := &client{run: r, number: number, c: connection, random: random}
		r.clients = append(r.clients, c)
		if number == len(groups)-1 || s.pinned && number < len(s.endpoints) {
			r.watches = append(r.watches, &watch{c: connection, endpoints: endpoints})
		}
	}
	for _, c := range r.clients {
		r.running.Go(func() { c.work(ctx) })
	}
	for _, w := range r.watches {
		// They go on to the process's end.
		go w.follow(context.Background())
	}
	return r, nil
}

func connect(endpoints []string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{
		Endpoints:            endpoints,
		DialTimeout:          patience,
		DialKeepAliveTime:    2 * time.Second,
		DialKeepAliveTimeout: 2 * time.Second,
		Logger:               zap.NewNop(),
	})
}

// end ends the clients, lets the watches come to the end of the history, and judges all of it.
func (r *run) end() report {
	r.cancel()
	r.running.Wait()
	var wrong []string
	upto, err := r.finish()
	if err != nil {
		wrong = append(wrong, fmt.Sprintf("the cluster does not recover: %v", err))
	}
	for _, w := range r.watches {
		if err := w.await(upto); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	operations := r.log.Operations()
	first, _ := r.watches[0].told()
	resolved, unexplained := history.Resolve(operations, first, upto)
	wrong = append(append(wrong, r.torn...), unexplained...)
	wrong = append(wrong, history.Linearizable(resolved, judgeLimit, r.picture)...)
	wrong = append(wrong, history.InRealTime(resolved)...)
	result := report{Operations: len(operations), Revision: upto, Errors: r.errors}
	for _, o := range operations {
		if !o.Known() {
			result.Unknown++
		}
	}
	for _, w := range r.watches {
		responses, resumed := w.told()
		result.Watches++
		result.Resumed += resumed
		for _, response := range responses {
			result.Events += len(response)
		}
		wrong = append(wrong, history.Ordered(responses)...)
		wrong = append(wrong, history.Same(first, responses, upto)...)
		wrong = append(wrong, history.Together(responses, left, right)...)
		wrong = append(wrong, history.Complete(responses, operations, upto)...)
	}
	result.Wrong = wrong[:min(len(wrong), complaints)]
	return result
}

// finish reads every key through every client, and makes the last change; its revision.
func (r *run) finish() (int64, error) {
	deadline := time.Now().Add(patience)
	for _, c := range r.clients {
		for number := range r.keys {
			for !c.get(key(number)) {
				if time.Now().After(deadline) {
					return 0, fmt.Errorf("no reads through %v: %v", c.c.Endpoints(), r.failures())
				}
			}
		}
	}
	c := r.clients[len(r.clients)-1]
	for time.Now().Before(deadline) {
		if revision := c.put(last); revision > 0 {
			return revision, nil
		}
	}
	return 0, fmt.Errorf("no writes: %v", r.failures())
}

func (r *run) failures() []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return slices.Sorted(maps.Keys(r.errors))
}

// failedWith counts a failure.
func (r *run) failedWith(kind history.Kind, err error) {
	r.failed.Add(1)
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.errors[fmt.Sprintf("%s: %v", kind, err)]++
}

func key(number int) string { return fmt.Sprintf("%skey%d", prefix, number) }
