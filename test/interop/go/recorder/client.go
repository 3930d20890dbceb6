package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"interop/history"
)

// client does one request after another.
type client struct {
	*run
	number int
	c      *clientv3.Client
	random *rand.Rand
	// What this client saw last: a good guess for a swap.
	seen map[string]string
}

func (c *client) work(ctx context.Context) {
	c.seen = map[string]string{}
	for ctx.Err() == nil {
		name := key(c.random.IntN(c.keys))
		switch c.random.IntN(10) {
		case 0, 1, 2:
			c.get(name)
		case 3, 4, 5:
			c.put(name)
		case 6:
			c.delete(name)
		case 7, 8:
			c.swap(name)
		default:
			if c.random.IntN(2) == 0 {
				c.putBoth()
			} else {
				c.getBoth()
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(c.pause):
		}
	}
}

// begin is an operation that begins now, and its time.
func (c *client) begin(kind history.Kind, name string) (history.Operation, context.Context, context.CancelFunc) {
	o := history.Operation{Client: c.number, Kind: kind, Key: name, Invoked: c.log.Now(), Returned: history.Open}
	if kind == history.Put || kind == history.Swap {
		o.Value = fmt.Sprintf("%d.%d", c.number, c.value.Add(1))
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.limit)
	return o, ctx, cancel
}

// over logs operations whose answer has come, or not: then a write may still happen. Whether it has.
func (c *client) over(err error, header *pb.ResponseHeader, operations ...*history.Operation) bool {
	now := c.log.Now()
	if err != nil {
		c.failedWith(operations[0].Kind, err)
	} else {
		c.answered.Add(1)
	}
	for _, o := range operations {
		if err == nil {
			o.Returned, o.Revision = now, header.Revision
		}
		if err == nil || o.Kind != history.Get {
			c.log.Add(*o)
		}
	}
	return err == nil
}

func (c *client) get(name string) bool {
	o, ctx, cancel := c.begin(history.Get, name)
	defer cancel()
	options := []clientv3.OpOption{}
	if c.stale {
		options = append(options, clientv3.WithSerializable())
	}
	got, err := c.c.Get(ctx, name, options...)
	if err != nil {
		return c.over(err, nil, &o)
	}
	o.Found = c.saw(name, got.Kvs)
	return c.over(nil, got.Header, &o)
}

// put is the revision of a write, or 0.
func (c *client) put(name string) int64 {
	o, ctx, cancel := c.begin(history.Put, name)
	defer cancel()
	put, err := c.c.Put(ctx, name, o.Value)
	if err != nil {
		c.over(err, nil, &o)
		return 0
	}
	c.over(nil, put.Header, &o)
	return put.Header.Revision
}

func (c *client) delete(name string) {
	o, ctx, cancel := c.begin(history.Delete, name)
	defer cancel()
	deleted, err := c.c.Delete(ctx, name)
	if err != nil {
		c.over(err, nil, &o)
		return
	}
	o.Done = deleted.Deleted > 0
	c.over(nil, deleted.Header, &o)
}

func (c *client) swap(name string) {
	o, ctx, cancel := c.begin(history.Swap, name)
	defer cancel()
	o.Expected = c.seen[name]
	got, err := c.c.Txn(ctx).If(clientv3.Compare(clientv3.Value(name), "=", o.Expected)).
		Then(clientv3.OpPut(name, o.Value)).Else(clientv3.OpGet(name)).Commit()
	if err != nil {
		c.over(err, nil, &o)
		return
	}
	o.Done = got.Succeeded
	if !got.Succeeded {
		o.Found = c.saw(name, got.Responses[0].GetResponseRange().Kvs)
	}
	c.over(nil, got.Header, &o)
}

func (c *client) putBoth() {
	one, ctx, cancel := c.begin(history.Put, left)
	defer cancel()
	other := one
	other.Key = right
	got, err := c.c.Txn(ctx).Then(clientv3.OpPut(left, one.Value), clientv3.OpPut(right, one.Value)).Commit()
	if err != nil {
		c.over(err, nil, &one, &other)
		return
	}
	c.over(nil, got.Header, &one, &other)
}

func (c *client) getBoth() {
	one, ctx, cancel := c.begin(history.Get, left)
	defer cancel()
	other := one
	other.Key = right
	got, err := c.c.Txn(ctx).Then(clientv3.OpGet(left), clientv3.OpGet(right)).Commit()
	if err != nil {
		c.over(err, nil, &one, &other)
		return
	}
	one.Found = c.saw(left, got.Responses[0].GetResponseRange().Kvs)
	other.Found = c.saw(right, got.Responses[1].GetResponseRange().Kvs)
	if c.over(nil, got.Header, &one, &other); c.seen[left] != c.seen[right] {
		c.mutex.Lock()
		defer c.mutex.Unlock()
		c.torn = append(c.torn, fmt.Sprintf("a torn transaction was read: %v, %v", &one, &other))
	}
}

// saw is what was found of a key.
func (c *client) saw(name string, pairs []*mvccpb.KeyValue) *history.Pair {
	if len(pairs) == 0 {
		c.seen[name] = ""
		return nil
	}
	pair := pairs[0]
	c.seen[name] = string(pair.Value)
	return &history.Pair{
		Value: string(pair.Value), Created: pair.CreateRevision, Mod: pair.ModRevision, Version: pair.Version,
	}
}
