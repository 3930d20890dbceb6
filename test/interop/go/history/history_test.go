package history

import (
	"path/filepath"
	"testing"
	"time"
)

// A history that is right, of one key: what the planted violations are planted into.
//
//	1 put a   2 put b (nobody knows when)   3 swap b c   4 delete
func right() []Operation {
	return []Operation{
		{Kind: Put, Key: "k", Value: "a", Invoked: 0, Returned: 10, Revision: 2},
		{Kind: Get, Key: "k", Invoked: 11, Returned: 20, Revision: 2, Found: &Pair{"a", 2, 2, 1}},
		{Kind: Put, Key: "k", Value: "b", Invoked: 21, Returned: Open},
		{Kind: Get, Key: "k", Invoked: 22, Returned: 30, Revision: 2, Found: &Pair{"a", 2, 2, 1}},
		{Kind: Get, Key: "k", Invoked: 25, Returned: 40, Revision: 3, Found: &Pair{"b", 2, 3, 2}},
		{Kind: Swap, Key: "k", Expected: "x", Value: "y", Invoked: 41, Returned: 50, Revision: 3, Found: &Pair{"b", 2, 3, 2}},
		{Kind: Swap, Key: "k", Expected: "b", Value: "c", Invoked: 51, Returned: 60, Revision: 4, Done: true},
		{Kind: Delete, Key: "k", Invoked: 61, Returned: 70, Revision: 5, Done: true},
		{Kind: Delete, Key: "k", Invoked: 71, Returned: 80, Revision: 5},
		{Kind: Get, Key: "k", Invoked: 81, Returned: 90, Revision: 6},
	}
}

func judge(t *testing.T, operations []Operation) []string {
	t.Helper()
	picture := filepath.Join(t.TempDir(), "picture.html")
	return append(Linearizable(operations, time.Minute, picture), InRealTime(operations)...)
}

func TestPlantedNothing(t *testing.T) {
	if wrong := judge(t, right()); len(wrong) > 0 {
		t.Fatal(wrong)
	}
}

// Each violation is one that a broken store would show.
func TestPlantedOperations(t *testing.T) {
	plant := map[string]func(o []Operation){
		"a stale read":             func(o []Operation) { o[4].Invoked, o[3].Invoked, o[3].Returned = 22, 41, 42 },
		"a lost write":             func(o []Operation) { o[1].Found = nil },
		"a value out of nowhere":   func(o []Operation) { o[1].Found = &Pair{"z", 2, 2, 1} },
		"a write applied twice":    func(o []Operation) { o[1].Found = &Pair{"a", 2, 2, 2} },
		"another revision":         func(o []Operation) { o[5].Found = &Pair{"b", 2, 4, 2} },
		"another creation":         func(o []Operation) { o[4].Found = &Pair{"b", 3, 3, 2} },
		"a compare that was wrong": func(o []Operation) { o[6].Done = false },
		"a swap of something else": func(o []Operation) { o[5].Done = true },
		"a delete that found none": func(o []Operation) { o[7].Done = false },
		"a delete that found some": func(o []Operation) { o[8].Done = true },
		"time that runs back":      func(o []Operation) { o[9].Revision = 4 },
		"a write in the past":      func(o []Operation) { o[6].Revision = 3 },
	}
	for name, violate := range plant {
		operations := right()
		violate(operations)
		if len(judge(t, operations)) == 0 {
			t.Errorf("%s was not noticed", name)
		}
	}
}

// Reads of several keys that contradict each other in time, though each key alone is in order.
func TestPlantedAcrossKeys(t *testing.T) {
	operations := []Operation{
		{Kind: Put, Key: "a", Value: "1", Invoked: 0, Returned: 1, Revision: 2},
		{Kind: Get, Key: "b", Invoked: 2, Returned: 3, Revision: 1},
	}
	if len(InRealTime(operations)) != 1 {
		t.Error("a stale answer was not noticed")
	}
}

func watched() []Response {
	return []Response{
		{{2, "k", false, "a", 1, 2}, {3, "k", false, "b", 2, 2}},
		{{4, "k", false, "c", 3, 2}},
		{{5, "k", true, "", 0, 0}},
		{{6, "p", false, "v", 1, 6}, {6, "q", false, "v", 1, 6}},
	}
}

func judgeWatch(responses []Response) []string {
	const upto = 5
	wrong := append(Ordered(responses), Same(watched(), responses, 6)...)
	wrong = append(wrong, Together(responses, "p", "q")...)
	return append(wrong, Complete(responses, right(), upto)...)
}

func TestPlantedEvents(t *testing.T) {
	if wrong := judgeWatch(watched()); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	plant := map[string]func(r []Response) []Response{
		"a lost event":          func(r []Response) []Response { return append(r[:1], r[2:]...) },
		"a lost end":            func(r []Response) []Response { return r[:2] },
		"an event that is new":  func(r []Response) []Response { r[1][0].Value = "z"; return r },
		"a doubled response":    func(r []Response) []Response { return append(r, r[3]) },
		"a doubled event":       func(r []Response) []Response { r[3][1] = r[3][0]; return r },
		"a wrong order":         func(r []Response) []Response { r[1], r[2] = r[2], r[1]; return r },
		"a wrong order within":  func(r []Response) []Response { r[0][0], r[0][1] = r[0][1], r[0][0]; return r },
		"a torn revision":       func(r []Response) []Response { return append(r[:3], r[3][:1], r[3][1:]) },
		"a delete that was not": func(r []Response) []Response { r[1][0].Deleted = true; return r },
	}
	for name, violate := range plant {
		if len(judgeWatch(violate(watched()))) == 0 {
			t.Errorf("%s was not noticed", name)
		}
	}
}

// A torn transaction shows even where all watches agree.
func TestPlantedTornTransaction(t *testing.T) {
	responses := watched()
	responses[3] = responses[3][:1]
	if len(Together(responses, "p", "q")) != 1 {
		t.Error("half a transaction was not noticed")
	}
}
