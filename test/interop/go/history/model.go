package history

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

// unknown is a revision that no answer has told yet.
const unknown = -1

// key is the state of one key: keys are judged one by one, which suffices for linearizability.
type key struct {
	exists  bool
	value   string
	version int64
	created int64
	mod     int64
	// The key's last change was made at this revision or later.
	floor int64
}

func (k key) written(value string, revision int64) key {
	next := key{exists: true, value: value, version: k.version + 1, created: k.created, mod: revision}
	if !k.exists {
		next.version, next.created = 1, revision
	}
	next.floor = k.after(revision)
	return next
}

func (k key) deleted(revision int64) key { return key{floor: k.after(revision)} }

// after is the floor behind a write at a revision.
func (k key) after(revision int64) int64 {
	if revision == unknown {
		return k.floor + 1
	}
	return revision
}

// shows tells whether the key can be read so, and what is known of it then.
func (k key) shows(found *Pair, revision int64) (bool, key) {
	if revision < k.floor {
		return false, k
	}
	if found == nil {
		return !k.exists, k
	}
	fits := k.exists && k.value == found.Value && k.version == found.Version &&
		(k.mod == found.Mod || k.mod == unknown && found.Mod >= k.floor) &&
		(k.created == found.Created || k.created == unknown)
	k.mod, k.created, k.floor = found.Mod, found.Created, found.Mod
	return fits, k
}

// step carries an operation out and tells whether its answer fits.
func (k key) step(o *Operation) (bool, key) {
	revision := int64(unknown)
	if o.Known() {
		revision = o.Revision
	}
	switch o.Kind {
	case Get:
		return k.shows(o.Found, revision)
	case Put:
		return k.takes(revision), k.written(o.Value, revision)
	case Delete:
		if !k.exists {
			return !o.Known() || !o.Done && revision >= k.floor, k
		}
		return !o.Known() || o.Done && k.takes(revision), k.deleted(revision)
	case Swap:
		matches := k.exists && k.value == o.Expected
		switch {
		case !o.Known() && !matches:
			return true, k
		case o.Known() && o.Done != matches:
			return false, k
		case matches:
			return k.takes(revision), k.written(o.Value, revision)
		default:
			return k.shows(o.Found, revision)
		}
	}
	panic("no such kind: " + o.Kind)
}

// takes tells whether a write can have been made at the revision.
func (k key) takes(revision int64) bool { return revision == unknown || revision > k.floor }

var model = porcupine.Model{
	Init: func() any { return key{} },
	StepContext: func(_ context.Context, state, input, _ any) (bool, any) {
		operation := input.(*Operation)
		fits, next := state.(key).step(operation)
		return fits, next
	},
	DescribeOperation: func(input, _ any) string { return input.(*Operation).String() },
	DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
}

// String tells the operation and its answer in a line.
func (o *Operation) String() string {
	answer := "?"
	if o.Known() {
		answer = fmt.Sprintf("at %d done %v found %v", o.Revision, o.Done, o.Found)
	}
	return fmt.Sprintf("%s %s %q expecting %q: %s", o.Kind, o.Key, o.Value, o.Expected, answer)
}

// Linearizable tells what contradicts that each key's operations took effect one after another, each
// between its invocation and its return. A picture of what does goes to the file.
func Linearizable(operations []Operation, limit time.Duration, picture string) []string {
	var wrong []string
	for name, of := range byKey(operations) {
		result, information := porcupine.CheckOperationsVerbose(model, of, limit)
		if result == porcupine.Ok {
			continue
		}
		text := fmt.Sprintf("%d operations of %s are not linearizable: %s", len(of), name, result)
		if err := porcupine.VisualizePath(model, information, picture); err == nil {
			text += ", see " + picture
		}
		wrong = append(wrong, text)
	}
	sort.Strings(wrong)
	return wrong
}

func byKey(operations []Operation) map[string][]porcupine.Operation {
	keys := map[string][]porcupine.Operation{}
	for index := range operations {
		o := &operations[index]
		keys[o.Key] = append(keys[o.Key], porcupine.Operation{
			ClientId: o.Client, Input: o, Call: o.Invoked, Return: o.Returned,
		})
	}
	return keys
}

// InRealTime tells which answers are older than an answer that had come before they were asked for:
// revisions bind all keys together.
func InRealTime(operations []Operation) []string {
	var known []*Operation
	for index := range operations {
		if o := &operations[index]; o.Known() {
			known = append(known, o)
		}
	}
	returned := append([]*Operation(nil), known...)
	sort.Slice(known, func(i, j int) bool { return known[i].Invoked < known[j].Invoked })
	sort.Slice(returned, func(i, j int) bool { return returned[i].Returned < returned[j].Returned })
	var wrong []string
	newest, next := int64(0), 0
	for _, o := range known {
		for ; returned[next].Returned < o.Invoked; next++ {
			newest = max(newest, returned[next].Revision)
		}
		if o.Revision < newest {
			wrong = append(wrong, fmt.Sprintf("revision %d had been seen before: %v", newest, o))
		}
	}
	return wrong
}
