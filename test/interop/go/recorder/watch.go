package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"interop/history"
)

// resumeAfter is how many responses a watch takes until it is given up and made anew where it was.
const resumeAfter = 100

// watch follows all keys from the first revision on; when it ends, for whatever reason, it is resumed.
type watch struct {
	c         *clientv3.Client
	endpoints []string

	mutex     sync.Mutex
	responses []history.Response
	seen      int64
	resumed   int
	failure   error
}

// follow watches until it is cancelled.
func (w *watch) follow(ctx context.Context) {
	for ctx.Err() == nil {
		w.once(ctx)
		w.mutex.Lock()
		w.resumed++
		w.mutex.Unlock()
	}
}

// once is one watch, from behind the last revision that is known.
func (w *watch) once(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.mutex.Lock()
	from := w.seen + 1
	w.mutex.Unlock()
	count := 0
	for response := range w.c.Watch(ctx, prefix, clientv3.WithPrefix(), clientv3.WithRev(from)) {
		w.take(response)
		if count++; count == resumeAfter {
			return
		}
	}
}

func (w *watch) take(response clientv3.WatchResponse) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if err := response.Err(); err != nil {
		w.failure = err
	}
	if len(response.Events) == 0 {
		return
	}
	events := make(history.Response, 0, len(response.Events))
	for _, event := range response.Events {
		events = append(events, history.Event{
			Revision: event.Kv.ModRevision,
			Key:      string(event.Kv.Key),
			Deleted:  event.Type == mvccpb.Event_DELETE,
			Value:    string(event.Kv.Value),
			Version:  event.Kv.Version,
			Created:  event.Kv.CreateRevision,
		})
	}
	w.responses = append(w.responses, events)
	w.seen = max(w.seen, events[len(events)-1].Revision)
}

// await waits until the watch has come to a revision.
func (w *watch) await(revision int64) error {
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		w.mutex.Lock()
		seen := w.seen
		w.mutex.Unlock()
		if seen >= revision {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return fmt.Errorf("the watch of %v stands at %d before %d: %v", w.endpoints, w.seen, revision, w.failure)
}

// told is everything the watch told, and how often it was made anew.
func (w *watch) told() ([]history.Response, int) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return slices.Clone(w.responses), w.resumed
}
