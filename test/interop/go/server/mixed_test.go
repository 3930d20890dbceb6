package server

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Each member of an etcd cluster is replaced by one of ours and then by etcd again, under load, on its
// directory.
func TestMixedSwap(t *testing.T) {
	t.Parallel()
	c := startMixed(t, mixedLimit(t), 3, true, true)
	c.enableAuth()
	load := c.startLoad()
	c.rounds(load, func(n int, real bool) { c.swap(n, real, n%2 == 0) })
	load.finish()
}

// The same with new members: each is removed, and one of the other kind is added.
func TestMixedReplace(t *testing.T) {
	t.Parallel()
	c := startMixed(t, mixedLimit(t), 3, true, false)
	load := c.startLoad()
	c.rounds(load, func(n int, real bool) { c.replace(n, real, n%2 == 0) })
	load.finish()
}

// rounds changes every member to the other kind and back, with leaders of both kinds, compactions and
// comparisons in between.
func (c *mixed) rounds(load *load, change func(n int, real bool)) {
	c.Helper()
	previous := int64(0)
	for _, real := range []bool{false, true} {
		for n := range c.members {
			c.lead((n + 1) % len(c.members))
			change(n, real)
			// The new one leads the others.
			c.lead(n)
			revision := c.agree()
			load.awaitWatchers(revision)
			if previous > 0 {
				c.eventually("compact", func(ctx context.Context) error {
					_, err := c.at(n).Compact(ctx, previous, clientv3.WithCompactPhysical())
					return err
				})
			}
			previous = revision
			c.Logf("%s is real: %v; revision %d", memberName(n), real, revision)
		}
	}
}

func mixedLimit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// An alarm that a member of either kind raises binds all of them, until a member of the other kind lifts it,
// and all compact to what any of them is told.
func TestMixedAlarms(t *testing.T) {
	t.Parallel()
	c := startMixed(t, mixedLimit(t), 3, true, false)
	c.swap(0, false, true)
	for n, other := range []int{1, 0, 2} {
		put, err := c.at(other).Put(c.ctx, "k", "v")
		c.must("put", err)
		alarm := &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE, MemberID: c.id(n), Alarm: pb.AlarmType_NOSPACE}
		_, err = pb.NewMaintenanceClient(c.at(n).ActiveConnection()).Alarm(c.ctx, alarm)
		c.must("alarm", err)
		for m := range c.members {
			c.eventually("no space", func(ctx context.Context) error {
				_, err := c.at(m).Put(ctx, "k", "v")
				if !errors.Is(err, rpctypes.ErrNoSpace) {
					return fmt.Errorf("a put at %s: %v", memberName(m), err)
				}
				return nil
			})
		}
		_, err = c.at(other).AlarmDisarm(c.ctx, &clientv3.AlarmMember{})
		c.must("disarm", err)
		_, err = c.at(n).Compact(c.ctx, put.Header.Revision, clientv3.WithCompactPhysical())
		c.must("compact", err)
		c.agree()
		for m := range c.members {
			_, err := c.at(m).Get(c.ctx, "k", clientv3.WithRev(put.Header.Revision-1))
			if !errors.Is(err, rpctypes.ErrCompacted) {
				t.Fatalf("a read of the past at %s: %v", memberName(m), err)
			}
		}
	}
}
