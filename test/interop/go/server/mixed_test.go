package server

import (
	"context"
	"testing"
	"time"

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
