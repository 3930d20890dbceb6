// Package history holds what clients asked and were told, and judges whether one store could have
// answered so.
package history

import (
	"math"
	"sync"
	"time"
)

// Kind is what an operation does to its key.
type Kind string

// The kinds of operations. A Swap writes if the key has the expected value, and reads it otherwise.
const (
	Get    Kind = "get"
	Put    Kind = "put"
	Delete Kind = "delete"
	Swap   Kind = "swap"
)

// Open is the time of return of an operation whose outcome nobody knows: it may still happen.
const Open = math.MaxInt64

// Pair is a key's state as a read shows it.
type Pair struct {
	Value   string
	Created int64
	Mod     int64
	Version int64
}

// Operation is one request and, if it came, its answer.
type Operation struct {
	Client int
	Kind   Kind
	Key    string
	// What a write writes.
	Value string
	// What a swap expects.
	Expected string

	Invoked  int64
	Returned int64

	// The revision in the answer's header.
	Revision int64
	// What was read; nil if there was nothing.
	Found *Pair
	// Whether a delete deleted, or a swap wrote.
	Done bool
}

// Known tells whether the operation was answered.
func (o *Operation) Known() bool { return o.Returned != Open }

// Log gathers operations of several clients.
type Log struct {
	start time.Time

	mutex      sync.Mutex
	operations []Operation
}

// NewLog is an empty log; its time begins now.
func NewLog() *Log { return &Log{start: time.Now()} }

// Now is the log's time, which only grows.
func (l *Log) Now() int64 { return int64(time.Since(l.start)) }

// Add adds an operation that is over, or given up.
func (l *Log) Add(operation Operation) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.operations = append(l.operations, operation)
}

// Operations is everything added so far.
func (l *Log) Operations() []Operation {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return append([]Operation(nil), l.operations...)
}
