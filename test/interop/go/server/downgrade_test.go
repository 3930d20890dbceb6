package server

import (
	"context"
	"fmt"
	"os"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// A cluster of ours is downgraded to etcd 3.6, member by member, each on its directory: while it happens the
// kinds are one cluster, and with the last member it is over. The way back up is an ordinary takeover.
func TestOldDowngrade(t *testing.T) {
	t.Parallel()
	program := oldProgram(t, "ETCD36_PROGRAM")
	c := startMixed(t, mixedLimit(t), 3, false, false)
	for _, member := range c.members {
		member.AddFlags("--downgrade-check-time=1s")
	}
	history(t, c.ctx, c.at(0))
	c.awaitVersion("3.7.0")
	c.eventually("downgrade", func(ctx context.Context) error {
		_, err := c.at(0).Downgrade(ctx, clientv3.DowngradeEnable, "3.6")
		return err
	})
	c.awaitVersion("3.6.0")
	c.agree()

	for n, member := range c.members {
		c.lead((n + 1) % len(c.members))
		end(member, n == 1)
		handOver(t, member)
		c.must("remove", os.RemoveAll(member.DataDir()+".ours"))
		member.UseProgram(program)
		member.Restart()
		// The old one leads the others.
		c.lead(n)
		c.write(n)
		c.agree()
	}
	c.eventually("the downgrade's end", func(ctx context.Context) error {
		status, err := c.at(0).Status(ctx, c.members[0].Endpoint())
		if err == nil && status.DowngradeInfo.GetEnabled() {
			return fmt.Errorf("to %s", status.DowngradeInfo.GetTargetVersion())
		}
		return err
	})

	for n, member := range c.members {
		end(member, n == 1)
		member.UseProgram("")
		member.Restart()
		c.write(n)
		c.agree()
	}
	c.awaitVersion("3.7.0")
	c.agree()
}

// awaitVersion waits until all members say that the cluster, and what they store, is of a version.
func (c *mixed) awaitVersion(wanted string) {
	c.Helper()
	for n, member := range c.members {
		c.eventually("version "+wanted, func(ctx context.Context) error {
			version, err := clusterVersion(member.Endpoint())
			if err != nil {
				return err
			}
			status, err := c.at(n).Status(ctx, member.Endpoint())
			if err == nil && (version != wanted || status.StorageVersion != wanted) {
				err = fmt.Errorf("%s is of a cluster of %s, and stores %s", memberName(n), version, status.StorageVersion)
			}
			return err
		})
	}
}

// write writes through one member and reads it through the next.
func (c *mixed) write(n int) {
	c.Helper()
	key, value := fmt.Sprint("write/", n), fmt.Sprint(c.members[n].DataDir())
	c.eventually("put", func(ctx context.Context) error {
		_, err := c.at(n).Put(ctx, key, value)
		return err
	})
	c.eventually("get", func(ctx context.Context) error {
		got, err := c.at((n+1)%len(c.members)).Get(ctx, key)
		if err == nil && (len(got.Kvs) != 1 || string(got.Kvs[0].Value) != value) {
			err = fmt.Errorf("found %v", got.Kvs)
		}
		return err
	})
}
