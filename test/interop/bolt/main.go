// Command bolt looks at a database file with bbolt itself: it runs bbolt's consistency check and
// prints every pair, so that files which we write can be compared with what bbolt reads.
//
// Usage: bolt FILE
//
// Output, one line each: "bucket <hex name>", then "<hex name> <hex key> <hex value>" for its pairs.
// The exit code is 1 when the file does not open or the check finds anything.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: bolt FILE")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(path string) error {
	db, err := bolt.Open(path, 0o400, &bolt.Options{ReadOnly: true, PreLoadFreelist: true})
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer db.Close()
	return db.View(func(tx *bolt.Tx) error {
		return errors.Join(check(tx), dump(tx))
	})
}

func check(tx *bolt.Tx) error {
	var found []error
	for err := range tx.Check() {
		found = append(found, fmt.Errorf("check: %w", err))
	}
	return errors.Join(found...)
}

func dump(tx *bolt.Tx) error {
	out := bufio.NewWriter(os.Stdout)
	err := tx.ForEach(func(name []byte, bucket *bolt.Bucket) error {
		fmt.Fprintf(out, "bucket %x\n", name)
		return bucket.ForEach(func(key, value []byte) error {
			_, err := fmt.Fprintf(out, "%x %x %x\n", name, key, value)
			return err
		})
	})
	return errors.Join(err, out.Flush())
}
