package history

import (
	"fmt"
	"math"
)

// Event is one change as a watch tells it.
type Event struct {
	Revision int64
	Key      string
	Deleted  bool
	Value    string
	Version  int64
	Created  int64
}

// Response is the events that came together.
type Response []Event

// Ordered tells what is out of order, doubled or torn in what one watch told, resumed or not: revisions
// grow, and the events of one come together.
func Ordered(responses []Response) []string {
	var wrong []string
	last := int64(0)
	for _, response := range responses {
		keys := map[string]bool{}
		within := int64(0)
		for _, event := range response {
			if event.Revision <= last || event.Revision < within {
				wrong = append(wrong, fmt.Sprintf("%+v came after revision %d", event, max(last, within)))
			}
			if event.Revision != within {
				clear(keys)
			}
			if keys[event.Key] {
				wrong = append(wrong, fmt.Sprintf("%+v came twice", event))
			}
			keys[event.Key], within = true, event.Revision
		}
		last = max(last, within)
	}
	return wrong
}

// Same tells where two watches of the same keys differ, up to a revision that both have reached.
func Same(one, other []Response, upto int64) []string {
	a, b := flat(one, upto), flat(other, upto)
	for index := range max(len(a), len(b)) {
		switch {
		case index >= len(a):
			return []string{fmt.Sprintf("only the second watch has %+v", b[index])}
		case index >= len(b):
			return []string{fmt.Sprintf("only the first watch has %+v", a[index])}
		case a[index] != b[index]:
			return []string{fmt.Sprintf("watches differ: %+v, %+v", a[index], b[index])}
		}
	}
	return nil
}

// Complete tells which acknowledged writes a watch has missed, and which events nobody caused.
func Complete(responses []Response, operations []Operation, upto int64) []string {
	type place struct {
		revision int64
		key      string
	}
	events := map[place]Event{}
	asked := map[string]bool{}
	for _, event := range flat(responses, upto) {
		events[place{event.Revision, event.Key}] = event
	}
	var wrong []string
	for index := range operations {
		o := &operations[index]
		if o.Kind != Get {
			asked[o.Key+"="+o.Value] = true
		}
		if !o.Known() || !o.wrote() || o.Revision > upto {
			continue
		}
		event, found := events[place{o.Revision, o.Key}]
		if !found || event.Deleted != (o.Kind == Delete) || event.Value != o.Value {
			wrong = append(wrong, fmt.Sprintf("the watch has %+v for %v", event, o))
		}
	}
	for _, event := range events {
		if !asked[event.Key+"="+event.Value] {
			wrong = append(wrong, fmt.Sprintf("nobody asked for %+v", event))
		}
	}
	return wrong
}

// Together tells which revisions changed one of two keys that are only ever written together.
func Together(responses []Response, one, other string) []string {
	values := map[int64]map[string]string{}
	for _, event := range flat(responses, math.MaxInt64) {
		if event.Key == one || event.Key == other {
			if values[event.Revision] == nil {
				values[event.Revision] = map[string]string{}
			}
			values[event.Revision][event.Key] = event.Value
		}
	}
	var wrong []string
	for revision, both := range values {
		if len(both) != 2 || both[one] != both[other] {
			wrong = append(wrong, fmt.Sprintf("revision %d has a part of a transaction: %v", revision, both))
		}
	}
	return wrong
}

// wrote tells whether an answered operation has changed its key.
func (o *Operation) wrote() bool { return o.Kind == Put || o.Kind != Get && o.Done }

func flat(responses []Response, upto int64) []Event {
	var events []Event
	for _, response := range responses {
		for _, event := range response {
			if event.Revision <= upto {
				events = append(events, event)
			}
		}
	}
	return events
}
