package server

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"interop/process"
)

// etcdutl runs the tool that lies beside the program under test.
func etcdutl(t *testing.T, arguments ...string) string {
	t.Helper()
	output, err := tryEtcdutl(t, arguments...)
	if err != nil {
		t.Fatalf("etcdutl %q: %v\n%s", arguments, err, output)
	}
	return output
}

func tryEtcdutl(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	tool := filepath.Join(filepath.Dir(os.Getenv(process.Program)), "etcdutl")
	output, err := exec.Command(tool, arguments...).CombinedOutput()
	return string(output), err
}

// failedStart starts the program under test on a directory on which it must not start, and returns what
// it said.
func failedStart(t *testing.T, dir string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, os.Getenv(process.Program), "--data-dir="+dir,
		"--listen-client-urls=http://127.0.0.1:0", "--advertise-client-urls=http://127.0.0.1:0",
		"--listen-peer-urls=http://127.0.0.1:0")
	output, err := command.CombinedOutput()
	if err == nil || ctx.Err() != nil {
		t.Fatalf("etcd has started on %s\n%s", dir, output)
	}
	return string(output)
}
