package server

import (
	"os"
	"testing"

	"go.etcd.io/etcd/server/v3/etcdmain"

	"interop/process"
)

// TestMain lets this program be etcd itself, so that a real member can be killed.
func TestMain(m *testing.M) {
	if os.Getenv(process.Real) != "" {
		etcdmain.Main(os.Args)
		return
	}
	os.Exit(m.Run())
}
