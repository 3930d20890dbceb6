package history

import (
	"fmt"
	"testing"
)

// crowded is a key that many clients write at once, hardly ever with an answer: nearly half of the writes happen.
// The whole of it cannot be judged by trying.
func crowded() ([]Operation, []Response) {
	var operations []Operation
	var events Response
	revision := int64(1)
	for n := range int64(400) {
		o := Operation{Kind: Put, Key: "k", Value: fmt.Sprint(n), Invoked: 10 * n, Returned: Open}
		switch {
		case n%20 == 19:
			o.Kind, o.Value = Delete, ""
		case n%50 == 0:
			o.Returned = 10*n + 5
		}
		operations = append(operations, o)
		if n%2 == 0 && o.Kind == Put {
			revision++
			version := int64(len(events)) + 1
			events = append(events, Event{revision, "k", false, o.Value, version, 2})
			read := Operation{Client: 1, Kind: Get, Key: "k", Invoked: 10*n + 6, Returned: 10*n + 7, Revision: revision}
			read.Found = &Pair{o.Value, 2, revision, version}
			operations = append(operations, read)
			if o.Known() {
				operations[len(operations)-2].Revision = revision
			}
		}
	}
	return operations, []Response{events}
}

func judgeOpen(t *testing.T, operations []Operation, responses []Response) []string {
	t.Helper()
	resolved, wrong := Resolve(operations, responses, 1000)
	return append(wrong, judge(t, resolved)...)
}

func TestPlantedAmongOpenWrites(t *testing.T) {
	operations, responses := crowded()
	if wrong := judgeOpen(t, operations, responses); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	plant := map[string]func(o []Operation, r Response) Response{
		"an open write that was lost":   func(_ []Operation, r Response) Response { return append(r[:1], r[2:]...) },
		"an open write that came twice": func(_ []Operation, r Response) Response { return append(r, Event{900, "k", false, "2", 9, 2}) },
		"an answered one that came twice": func(_ []Operation, r Response) Response {
			return append(r, Event{900, "k", false, "0", 9, 2})
		},
		"a write that nobody asked for": func(_ []Operation, r Response) Response { return append(r, Event{900, "k", false, "z", 9, 2}) },
		"a write before its request":    func(o []Operation, r Response) Response { o[3].Invoked = 30; return r },
		"a stale read":                  func(o []Operation, r Response) Response { o[1].Invoked, o[1].Returned = 46, 47; return r },
	}
	for name, violate := range plant {
		operations, responses := crowded()
		responses[0] = violate(operations, responses[0])
		if len(judgeOpen(t, operations, responses)) == 0 {
			t.Errorf("%s was not noticed", name)
		}
	}
}

// Deletions do not say whose they are; the first two of three that are open account for those that happened.
func TestPlantedOpenDeletions(t *testing.T) {
	operations := []Operation{
		{Kind: Put, Key: "k", Value: "a", Invoked: 0, Returned: 1, Revision: 2},
		{Kind: Delete, Key: "k", Invoked: 2, Returned: Open},
		{Kind: Put, Key: "k", Value: "b", Invoked: 3, Returned: 4, Revision: 4},
		{Kind: Delete, Key: "k", Invoked: 5, Returned: Open},
		{Kind: Get, Key: "k", Invoked: 6, Returned: 7, Revision: 5},
		{Kind: Delete, Key: "k", Invoked: 8, Returned: Open},
	}
	events := Response{
		{2, "k", false, "a", 1, 2}, {3, "k", true, "", 0, 0}, {4, "k", false, "b", 1, 4}, {5, "k", true, "", 0, 0},
	}
	if wrong := judgeOpen(t, operations, []Response{events}); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	// The second one was asked for only after it was seen.
	operations[3].Invoked = 9
	if len(judgeOpen(t, operations, []Response{events})) == 0 {
		t.Error("a deletion before its request was not noticed")
	}
}
