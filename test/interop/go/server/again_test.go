package server

import (
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"interop/process"
)

// A key that one transaction deletes and puts again is there after a compaction to that revision. etcd 3.7
// loses it, and ends when somebody reads it: so its answers are no measure here.
func TestSameTransactionPutsAgain(t *testing.T) {
	t.Parallel()
	ctx := limited(t)
	client := process.Start(t, fast...).Connect()
	if _, err := client.Put(ctx, "key", "old"); err != nil {
		t.Fatal(err)
	}
	delete, put := clientv3.OpDelete("key", clientv3.WithFromKey()), clientv3.OpPut("key", "new")
	txn, err := client.Txn(ctx).Then(delete, put).Commit()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Compact(ctx, txn.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	got, err := client.Get(ctx, "key")
	if err != nil || len(got.Kvs) != 1 || string(got.Kvs[0].Value) != "new" {
		t.Fatalf("%v, %v", got, err)
	}
}
