package client

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// traces is a collector that keeps what it is sent.
type traces struct {
	collector.UnimplementedTraceServiceServer
	mu        sync.Mutex
	spans     []*trace.Span
	resources map[string]string
}

func (c *traces) Export(_ context.Context, request *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.ResourceSpans {
		for _, attribute := range resource.Resource.Attributes {
			c.resources[attribute.Key] = attribute.Value.GetStringValue()
		}
		for _, scope := range resource.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// of are the spans of one trace, the server's first.
func (c *traces) of(id string) (root *trace.Span, steps []*trace.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, span := range c.spans {
		switch {
		case hex.EncodeToString(span.TraceId) != id:
		case span.Kind == trace.Span_SPAN_KIND_SERVER:
			root = span
		default:
			steps = append(steps, span)
		}
	}
	return root, steps
}

func collect(t *testing.T) (*traces, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	kept := &traces{resources: map[string]string{}}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, kept)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return kept, listener.Addr().String()
}

func within(ctx context.Context, traceID string, flags int) context.Context {
	parent := fmt.Sprintf("00-%s-00f067aa0ba902b7-%02x", traceID, flags)
	return metadata.AppendToOutgoingContext(ctx, "traceparent", parent)
}

// A client's trace goes on in the member, in the official messages of OpenTelemetry.
func TestTraces(t *testing.T) {
	kept, address := collect(t)
	e := start(t,
		"--enable-distributed-tracing=true",
		"--distributed-tracing-address="+address,
		"--distributed-tracing-service-name=store",
		"--distributed-tracing-instance-id=one")
	put, get, quiet := strings.Repeat("ab", 16), strings.Repeat("cd", 16), strings.Repeat("ef", 16)
	_, err := e.c.Put(within(e.ctx, quiet, 0), "a", "planted-value")
	e.check(err)
	_, err = e.c.Put(within(e.ctx, put, 1), "a", "planted-value")
	e.check(err)
	_, err = e.c.Get(within(e.ctx, get, 1), "a", clientv3.WithPrefix())
	e.check(err)
	e.eventually("the spans of both", func() bool {
		first, _ := kept.of(put)
		second, _ := kept.of(get)
		return first != nil && second != nil
	})
	e.equal("service", kept.resources["service.name"], "store")
	e.equal("instance", kept.resources["service.instance.id"], "one")
	if root, _ := kept.of(quiet); root != nil {
		t.Fatalf("a trace that its client does not sample was sent: %v", root)
	}
	for _, row := range []struct{ id, name, steps string }{
		{put, "etcdserverpb.KV/Put", "raft.propose wal.write_and_sync raft.commit apply"},
		{get, "etcdserverpb.KV/Range", "read.confirm range"},
	} {
		root, steps := kept.of(row.id)
		e.equal("name", root.Name, row.name)
		e.equal("parent", hex.EncodeToString(root.ParentSpanId), "00f067aa0ba902b7")
		for _, name := range strings.Fields(row.steps) {
			step := find(steps, name)
			if step == nil {
				t.Fatalf("%s has no step %s: %v", row.name, name, steps)
			}
			e.equal("parent of "+name, step.ParentSpanId, root.SpanId)
			if step.StartTimeUnixNano < root.StartTimeUnixNano || step.EndTimeUnixNano > root.EndTimeUnixNano {
				t.Fatalf("%s lies outside its call: %v in %v", name, step, root)
			}
		}
	}
	for _, span := range kept.spans {
		if strings.Contains(span.String(), "planted") {
			t.Fatalf("a value is in a span: %v", span)
		}
	}
}

func find(spans []*trace.Span, name string) *trace.Span {
	for _, span := range spans {
		if span.Name == name {
			return span
		}
	}
	return nil
}

// Every call begins a trace where the rate says so.
func TestTracesSampled(t *testing.T) {
	kept, address := collect(t)
	e := start(t,
		"--enable-distributed-tracing=true",
		"--distributed-tracing-address="+address,
		"--distributed-tracing-sampling-rate=1000000")
	e.put("a", "b")
	e.eventually("the span", func() bool {
		kept.mu.Lock()
		defer kept.mu.Unlock()
		return find(kept.spans, "etcdserverpb.KV/Put") != nil
	})
}

// A collector that is away stops nobody.
func TestTracesWithoutCollector(t *testing.T) {
	e := start(t,
		"--enable-distributed-tracing=true",
		"--distributed-tracing-address=127.0.0.1:1",
		"--distributed-tracing-sampling-rate=1000000")
	for range 10 {
		e.put("a", "b")
	}
	e.eventually("the warning", func() bool { return e.member.HasLogged("cannot send traces") })
}
