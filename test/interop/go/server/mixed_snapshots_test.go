package server

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// behind is more entries than a leader keeps for a member that is away: see mixedFlags.
const behind = 300

// A member that is away for long gets a snapshot: one of ours from etcd, then one of etcd's from ours. Both ends have
// counted it, and all agree afterwards.
func TestMixedSnapshots(t *testing.T) {
	t.Parallel()
	c := startMixed(t, mixedLimit(t), 3, true, true)
	c.swap(0, false, true)
	c.catchUp(0)
	// Whoever leads the other two now is ours.
	c.swap(2, false, false)
	c.catchUp(1)
}

// catchUp has a member come back when the others, of the other kind, have dropped what it needs.
func (c *mixed) catchUp(away int) {
	c.Helper()
	others := []int{(away + 1) % 3, (away + 2) % 3}
	c.lead(others[0])
	c.members[away].Kill()
	for n := range behind {
		c.eventually("put", func(ctx context.Context) error {
			_, err := c.at(others[0]).Put(ctx, fmt.Sprint("away/", n), strings.Repeat("v", n))
			return err
		})
	}
	sent := c.snapshots(others, "send")
	c.members[away].Restart()
	c.agree()
	c.eventually("a snapshot", func(context.Context) error {
		sent, received := c.snapshots(others, "send")-sent, c.snapshots([]int{away}, "receive")
		if sent < 1 || received < 1 {
			return fmt.Errorf("%v snapshots sent to %s, %v received", sent, memberName(away), received)
		}
		return nil
	})
}

// snapshots is how many the members have sent or received since they were started.
func (c *mixed) snapshots(members []int, direction string) float64 {
	c.Helper()
	total := 0.0
	for _, n := range members {
		response, err := http.Get(c.members[n].Endpoint() + "/metrics")
		c.must("metrics", err)
		defer response.Body.Close()
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			if line := lines.Text(); strings.HasPrefix(line, "etcd_network_snapshot_"+direction+"_success{") {
				value, err := strconv.ParseFloat(line[strings.LastIndex(line, " ")+1:], 64)
				c.must(line, err)
				total += value
			}
		}
	}
	return total
}
