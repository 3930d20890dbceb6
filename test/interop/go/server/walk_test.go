package server

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"interop/process"
)

// What the manual tells the operator of a cluster to type works as it stands.
func TestMixedByTheManual(t *testing.T) {
	t.Parallel()
	blocks := manual(t)
	if len(blocks) != 3 {
		t.Fatalf("the manual has %d blocks for clusters", len(blocks))
	}
	c := startMixed(t, mixedLimit(t), 3, true, false)
	for _, member := range c.members {
		// Otherwise the members refuse a change within five seconds of any start.
		member.AddFlags("--strict-reconfig-check=false")
	}
	history(t, c.ctx, c.at(0))
	c.agree()
	for _, real := range []bool{false, true} {
		for n := range c.members {
			block := blocks[0]
			if real {
				block = blocks[1]
			}
			c.operate(n, real, block)
			c.agree()
		}
	}
	for _, real := range []bool{false, true} {
		c.members[2].AddFlags("--initial-cluster-state=existing", "--initial-cluster="+c.initialCluster())
		c.operate(2, real, blocks[2])
		c.agree()
		// A new member's id comes from its URLs and the second: a removed one's must not come again.
		time.Sleep(time.Second)
	}
}

// manual is the commands for clusters in it.
func manual(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "migrate.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## A cluster, member by member\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var blocks []string
	for _, found := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1) {
		blocks = append(blocks, found[1])
	}
	return blocks
}

// operate runs a block of commands on the machine of a member. What starts and stops it, and installs
// programs, are scripts that ask this test to.
func (c *mixed) operate(n int, real bool, block string) {
	c.Helper()
	member, dir := c.members[n], c.TempDir()
	asked, answered := filepath.Join(dir, "asked"), filepath.Join(dir, "answered")
	for _, pipe := range []string{asked, answered} {
		c.must("mkfifo", syscall.Mkfifo(pipe, 0o600))
	}
	for _, name := range []string{"systemctl", "install"} {
		script := fmt.Sprintf("#!/bin/sh\necho %s $1 > %s\nread answer < %s\n", name, asked, answered)
		c.must("write", os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700))
	}
	block = strings.NewReplacer(
		"/var/lib/etcd", member.DataDir(), "http://10.0.0.2:2380", member.PeerURL(),
	).Replace(block)
	command := exec.Command("sh", "-exc", block)
	command.Env = []string{
		"PATH=" + dir + ":" + filepath.Dir(os.Getenv(process.Program)) + ":/usr/bin:/bin",
		"ETCDCTL_ENDPOINTS=" + strings.Join(c.endpoints(), ","), "ETCDCTL_COMMAND_TIMEOUT=30s",
	}
	var output strings.Builder
	command.Stdout, command.Stderr = &output, &output
	c.must("sh", command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	// Opened for both, so that neither end waits for the other.
	questions, err := os.OpenFile(asked, os.O_RDWR, 0)
	c.must("open", err)
	defer questions.Close()
	answers, err := os.OpenFile(answered, os.O_RDWR, 0)
	c.must("open", err)
	defer answers.Close()
	lines := make(chan string)
	go func() {
		for scanner := bufio.NewScanner(questions); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	for {
		select {
		case err := <-ended:
			if err != nil {
				c.Fatalf("%v\n%s", err, output.String())
			}
			return
		case line := <-lines:
			switch line {
			case "systemctl stop":
				member.Stop()
			case "systemctl start":
				member.Restart()
			default:
				member.UseReal(real)
			}
			fmt.Fprintln(answers, "done")
		}
	}
}
