// Package client drives a member with etcd's own Go client.
//
// What is expected here is what etcd 3.7 does: the tests pass as well with ETCD_PROGRAM naming the
// real one.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"interop/process"
)

// testLimit is how long one test may take: none comes near it.
const testLimit = 3 * time.Minute

// env is what a test works with: a fresh member, a client, and a context that ends with the test.
type env struct {
	*testing.T
	member *process.Member
	c      *clientv3.Client
	ctx    context.Context
	// What clients show and believe; nil without TLS.
	tls *tls.Config
}

// start begins a test that shares nothing with others.
func start(t *testing.T, flags ...string) *env {
	t.Helper()
	t.Parallel()
	member := process.Start(t, flags...)
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	t.Cleanup(cancel)
	return &env{T: t, member: member, c: member.Connect(), ctx: ctx}
}

// notWithin leaves a test out where a proxy changes what it is about.
func notWithin(t *testing.T, flag, why string) {
	t.Helper()
	if strings.Contains(os.Getenv(process.Front), flag) {
		t.Skip(why)
	}
}

func (e *env) check(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

// fails expects an error of the client's table.
func (e *env) fails(err, want error) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Fatalf("got %v, want %v", err, want)
	}
}

// failsAs expects a status as it is on the wire.
func (e *env) failsAs(err error, code codes.Code, text string) {
	e.Helper()
	got, _ := status.FromError(err)
	if err == nil || got.Code() != code || got.Message() != text {
		e.Fatalf("got %v, want %v: %s", err, code, text)
	}
}

func (e *env) equal(what string, got, want any) {
	e.Helper()
	if !reflect.DeepEqual(got, want) {
		e.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func (e *env) put(key, value string, options ...clientv3.OpOption) *clientv3.PutResponse {
	e.Helper()
	response, err := e.c.Put(e.ctx, key, value, options...)
	e.check(err)
	return response
}

func (e *env) get(key string, options ...clientv3.OpOption) *clientv3.GetResponse {
	e.Helper()
	response, err := e.c.Get(e.ctx, key, options...)
	e.check(err)
	return response
}

func (e *env) del(key string, options ...clientv3.OpOption) *clientv3.DeleteResponse {
	e.Helper()
	response, err := e.c.Delete(e.ctx, key, options...)
	e.check(err)
	return response
}

func (e *env) compact(revision int64, options ...clientv3.CompactOption) {
	e.Helper()
	_, err := e.c.Compact(e.ctx, revision, options...)
	e.check(err)
}

func (e *env) grant(seconds int64) clientv3.LeaseID {
	e.Helper()
	response, err := e.c.Grant(e.ctx, seconds)
	e.check(err)
	return response.ID
}

// eventually waits for something that takes the member a while.
func (e *env) eventually(what string, holds func() bool) {
	e.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			e.Fatalf("never came true: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// pairs writes pairs as `key=value`.
func pairs(kvs []*mvccpb.KeyValue) string {
	return list(kvs, func(kv *mvccpb.KeyValue) string { return fmt.Sprintf("%s=%s", kv.Key, kv.Value) })
}

// keys writes the keys of pairs.
func keys(kvs []*mvccpb.KeyValue) string {
	return list(kvs, func(kv *mvccpb.KeyValue) string { return string(kv.Key) })
}

// events writes events as `PUT key=value@revision` and `DELETE key@revision`.
func events(found []*clientv3.Event) string {
	return list(found, func(event *clientv3.Event) string {
		if event.Type == clientv3.EventTypeDelete {
			return fmt.Sprintf("DELETE %s@%d", event.Kv.Key, event.Kv.ModRevision)
		}
		return fmt.Sprintf("PUT %s=%s@%d", event.Kv.Key, event.Kv.Value, event.Kv.ModRevision)
	})
}

func list[T any](items []T, write func(T) string) string {
	words := make([]string, 0, len(items))
	for _, item := range items {
		words = append(words, write(item))
	}
	return strings.Join(words, " ")
}

// Errors by their short names.
var (
	errCompacted = rpctypes.ErrCompacted
	errFuture    = rpctypes.ErrFutureRev
)
