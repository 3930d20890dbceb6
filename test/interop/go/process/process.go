// Package process runs the etcd under test: a process of its own for every test, on a directory and
// ports of its own.
package process

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// Program is the variable of the environment that names the binary under test.
const Program = "ETCD_PROGRAM"

// Front is the variable of the environment that puts a proxy between clients and the member: a
// sub-command of the program, and flags for it.
const Front = "ETCD_FRONT"

// Real is the variable of the environment that makes a test program be etcd itself.
const Real = "REAL_ETCD"

const (
	startLimit = 60 * time.Second
	ready      = "ready to serve client requests"
)

// Member is one etcd process.
type Member struct {
	t      testing.TB
	dir    string
	flags  []string
	client string
	peer   string
	// Whether the next start is one of etcd itself.
	real bool
	// The program of the next start, if it is neither etcd itself nor the one under test.
	other   string
	process *exec.Cmd
	ended   chan error
	// Where clients find the proxy, if there is one.
	front string
}

// Start starts a member with flags beside those for directory and URLs, waits until it serves, and
// ends it with the test.
func Start(t testing.TB, flags ...string) *Member {
	t.Helper()
	m := New(t, flags...)
	m.Restart()
	return m
}

// New is a member that is not started; its data directory does not exist.
func New(t testing.TB, flags ...string) *Member {
	t.Helper()
	m := &Member{t: t, dir: t.TempDir(), flags: flags}
	m.client, m.peer = freeURL(t), freeURL(t)
	// With a certificate there is TLS.
	if slices.ContainsFunc(flags, func(flag string) bool { return strings.HasPrefix(flag, "--cert-file=") }) {
		m.client = strings.Replace(m.client, "http://", "https://", 1)
	}
	t.Cleanup(m.cleanUp)
	return m
}

// startFront starts the proxy that the environment asks for, and waits until it serves. It lives as
// long as the test, whatever becomes of the member.
func (m *Member) startFront() {
	m.t.Helper()
	words := strings.Fields(os.Getenv(Front))
	if len(words) == 0 || m.front != "" {
		return
	}
	url := freeURL(m.t)
	address := strings.TrimPrefix(url, "http://")
	arguments := append([]string{words[0], "start", "--listen-addr", address, "--endpoints", m.client}, words[1:]...)
	log, err := os.Create(filepath.Join(m.dir, "front.log"))
	if err != nil {
		m.t.Fatal(err)
	}
	defer log.Close()
	process := exec.Command(os.Getenv(Program), arguments...)
	process.Stdout, process.Stderr = log, log
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := process.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		if m.t.Failed() {
			text, _ := os.ReadFile(log.Name())
			m.t.Logf("the log of the proxy:\n%s", text)
		}
		process.Process.Kill()
		process.Wait()
	})
	for deadline := time.Now().Add(startLimit); ; time.Sleep(5 * time.Millisecond) {
		if connection, err := net.Dial("tcp", address); err == nil {
			connection.Close()
			break
		}
		if time.Now().After(deadline) {
			m.t.Fatal("the proxy does not listen")
		}
	}
	m.front = url
}

// UseReal makes the following starts those of etcd itself, or of the binary under test again. The test
// program must run etcd when it finds the variable Real.
func (m *Member) UseReal(real bool) { m.real = real }

// UseProgram makes the following starts those of another program with etcd's flags.
func (m *Member) UseProgram(path string) { m.other = path }

// PeerURL is where other members reach the member.
func (m *Member) PeerURL() string { return m.peer }

// SecurePeers makes the URL for other members one with TLS; the flags must name certificates.
func (m *Member) SecurePeers() { m.peer = strings.Replace(m.peer, "http:", "https:", 1) }

// AddFlags adds flags to those of the following starts; the last of a name counts.
func (m *Member) AddFlags(flags ...string) { m.flags = append(slices.Clone(m.flags), flags...) }

// Forget removes the data directory, so that the next start is that of a new member.
func (m *Member) Forget() {
	m.t.Helper()
	if err := os.RemoveAll(m.DataDir()); err != nil {
		m.t.Fatal(err)
	}
}

// Restart starts the stopped member again, on the same directory and ports, and waits until it serves.
func (m *Member) Restart() {
	m.t.Helper()
	m.Launch()
	m.AwaitReady()
}

// Launch starts the stopped member again and does not wait.
func (m *Member) Launch() {
	m.t.Helper()
	program, environment := os.Getenv(Program), []string{}
	if m.real {
		self, err := os.Executable()
		if err != nil {
			m.t.Fatal(err)
		}
		program, environment = self, []string{Real + "=1"}
	}
	if m.other != "" {
		program = m.other
	}
	if program == "" {
		m.t.Fatalf("%s must name the etcd binary under test", Program)
	}
	log, err := os.Create(m.logFile())
	if err != nil {
		m.t.Fatal(err)
	}
	defer log.Close()
	m.process = exec.Command(program, m.arguments()...)
	m.process.Env = environment
	m.process.Stdout, m.process.Stderr = log, log
	// A test that is torn down hard leaves no process behind.
	m.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := m.process.Start(); err != nil {
		m.t.Fatal(err)
	}
	ended := make(chan error, 1)
	m.ended = ended
	process := m.process
	go func() { ended <- process.Wait() }()
}

// AwaitReady waits until the member serves clients.
func (m *Member) AwaitReady() {
	m.t.Helper()
	deadline := time.After(startLimit)
	for !m.HasLogged(ready) {
		select {
		case err := <-m.ended:
			m.process = nil
			m.t.Fatalf("etcd ended: %v\n%s", err, m.LogEnd())
		case <-deadline:
			m.t.Fatalf("etcd is not ready\n%s", m.LogEnd())
		case <-time.After(5 * time.Millisecond):
		}
	}
	m.startFront()
}

func (m *Member) arguments() []string {
	return append([]string{
		"--data-dir=" + m.DataDir(),
		"--listen-client-urls=" + m.client,
		"--advertise-client-urls=" + m.client,
		"--listen-peer-urls=" + m.peer,
		"--initial-advertise-peer-urls=" + m.peer,
		"--initial-cluster=default=" + m.peer,
	}, m.flags...)
}

// Kill ends the member with SIGKILL, as a crash does.
func (m *Member) Kill() {
	m.t.Helper()
	m.end(syscall.SIGKILL)
}

// Stop ends the member in good order: like etcd, it dies of the signal once everything is put away.
func (m *Member) Stop() {
	m.t.Helper()
	var exit *exec.ExitError
	err := m.end(syscall.SIGTERM)
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		m.t.Fatalf("etcd did not stop in good order: %v\n%s", err, m.LogEnd())
	}
}

func (m *Member) end(signal syscall.Signal) error {
	m.t.Helper()
	if m.process == nil {
		m.t.Fatal("the member is stopped")
	}
	if err := m.process.Process.Signal(signal); err != nil {
		m.t.Fatal(err)
	}
	m.process = nil
	return <-m.ended
}

// AwaitEnd waits until the member has ended by itself.
func (m *Member) AwaitEnd() {
	m.t.Helper()
	select {
	case <-m.ended:
		m.process = nil
	case <-time.After(startLimit):
		m.t.Fatalf("etcd goes on\n%s", m.LogEnd())
	}
}

// Runs tells whether the process is alive.
func (m *Member) Runs() bool {
	return m.process != nil && m.process.Process.Signal(syscall.Signal(0)) == nil
}

// Connect makes a client that is closed with the test.
func (m *Member) Connect() *clientv3.Client {
	m.t.Helper()
	return m.ConnectAs("", "")
}

// ConnectAs makes a client of a user that is closed with the test.
func (m *Member) ConnectAs(user, password string) *clientv3.Client {
	m.t.Helper()
	client, err := clientv3.New(clientv3.Config{
		Endpoints:          []string{m.Endpoint()},
		Username:           user,
		Password:           password,
		DialTimeout:        startLimit,
		MaxCallSendMsgSize: 1 << 30,
		Logger:             zap.NewNop(),
	})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { client.Close() })
	return client
}

// Endpoint is where clients reach the member, or the proxy before it.
func (m *Member) Endpoint() string {
	if m.front != "" {
		return m.front
	}
	return m.client
}

// Direct is where the member itself is reached.
func (m *Member) Direct() string { return m.client }

// DataDir is the member's data directory.
func (m *Member) DataDir() string { return filepath.Join(m.dir, "data") }

// HasLogged tells whether the log of this run contains a text.
func (m *Member) HasLogged(text string) bool {
	log, err := os.ReadFile(m.logFile())
	return err == nil && bytes.Contains(log, []byte(text))
}

// LogEnd is the last lines of the log.
func (m *Member) LogEnd() string {
	log, _ := os.ReadFile(m.logFile())
	lines := strings.Split(string(log), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

func (m *Member) logFile() string { return filepath.Join(m.dir, "etcd.log") }

func (m *Member) cleanUp() {
	if m.t.Failed() {
		m.t.Logf("the end of the member's log:\n%s", m.LogEnd())
	}
	if m.process != nil {
		m.end(syscall.SIGKILL)
	}
}

// freeURL is a URL with a port that was free a moment ago. It is below those that the system gives to
// connections: what a proxy dials from must not be where the next member listens.
func freeURL(t testing.TB) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(22_000))
		if _, taken := handedOut.LoadOrStore(address, true); taken {
			continue
		}
		if listener, err := net.Listen("tcp", address); err == nil {
			listener.Close()
			return "http://" + address
		}
	}
	t.Fatal("there are no ports")
	return ""
}

// handedOut are the addresses that somebody of this process has.
var handedOut sync.Map
