package history

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
)

// Resolve tells what became of the writes that nobody answered: a watch of everything up to the last revision
// knows. One that happened gets its revision, and was over when the first answer of that revision or a later one
// came; one that did not happen is left out. So nothing is left to guess, whereas each write that is open
// doubles the orders that a judge has to think of.
//
// What is resolved is judged like what was answered, so nothing is excused by it. A deletion does not tell whose it
// is: of several that are open, the one that was asked for first is the first that happened.
func Resolve(operations []Operation, responses []Response, upto int64) ([]Operation, []string) {
	var resolved, open []Operation
	for _, o := range operations {
		if o.Known() {
			resolved = append(resolved, o)
		} else {
			open = append(open, o)
		}
	}
	happened, seen := unclaimed(resolved, flat(responses, upto)), sightingsOf(resolved)
	slices.SortStableFunc(open, func(a, b Operation) int { return cmp.Compare(a.Invoked, b.Invoked) })
	var wrong []string
	for _, o := range open {
		what := change{o.Key, o.Value, o.Kind == Delete}
		revisions := happened[what]
		if len(revisions) == 0 {
			continue
		}
		o.Revision, o.Done, happened[what] = revisions[0], true, revisions[1:]
		if o.Returned = seen.of(o.Revision); o.Returned < o.Invoked {
			wrong = append(wrong, fmt.Sprintf("it was seen before it was asked for: %v", &o))
			continue
		}
		resolved = append(resolved, o)
	}
	for what, revisions := range happened {
		for _, revision := range revisions {
			wrong = append(wrong, fmt.Sprintf("revision %d happened without cause, or twice: %+v", revision, what))
		}
	}
	return resolved, wrong
}

// change is what an event tells of the write that made it.
type change struct {
	key, value string
	deleted    bool
}

// unclaimed is the revisions of the events that no answered write accounts for, in order.
func unclaimed(answered []Operation, events []Event) map[change][]int64 {
	type place struct {
		key      string
		revision int64
	}
	claimed := map[place]bool{}
	for index := range answered {
		if o := &answered[index]; o.wrote() {
			claimed[place{o.Key, o.Revision}] = true
		}
	}
	left := map[change][]int64{}
	for _, event := range events {
		if !claimed[place{event.Key, event.Revision}] {
			what := change{event.Key, event.Value, event.Deleted}
			left[what] = append(left[what], event.Revision)
		}
	}
	return left
}

// sightings tells when the store was first seen at a revision or a later one.
type sightings struct {
	revisions, first []int64
}

func sightingsOf(answered []Operation) sightings {
	sorted := slices.Clone(answered)
	slices.SortFunc(sorted, func(a, b Operation) int { return cmp.Compare(a.Revision, b.Revision) })
	s := sightings{make([]int64, len(sorted)), make([]int64, len(sorted))}
	first := int64(math.MaxInt64)
	for index, o := range slices.Backward(sorted) {
		first = min(first, o.Returned)
		s.revisions[index], s.first[index] = o.Revision, first
	}
	return s
}

// of is Open if nobody has seen the revision.
func (s sightings) of(revision int64) int64 {
	index := sort.Search(len(s.revisions), func(n int) bool { return s.revisions[n] >= revision })
	if index == len(s.revisions) {
		return Open
	}
	return s.first[index]
}
