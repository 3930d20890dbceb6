// Command recorder is several clients that use a few keys of a cluster at once, and watch them, until a
// line comes in on standard input; then it judges what they were told.
//
// While it runs it prints `progress <answered> <failed>` now and then. In the end it prints its report
// as a line of JSON, and fails if anything in it is wrong.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

const progressPause = 50 * time.Millisecond

func main() {
	var s settings
	endpoints := flag.String("endpoints", "", "all members' client URLs")
	flag.IntVar(&s.spread, "spread", 2, "clients that use all endpoints; one more uses each of them alone")
	flag.IntVar(&s.keys, "keys", 6, "keys to use")
	flag.DurationVar(&s.limit, "limit", 2*time.Second, "time for one request")
	flag.DurationVar(&s.pause, "pause", 3*time.Millisecond, "time between two requests of a client")
	flag.BoolVar(&s.pinned, "pinned", true, "whether each endpoint has a client and a watch of its own")
	flag.BoolVar(&s.stale, "plant-stale", false, "read locally and pretend that it was linearizable")
	flag.StringVar(&s.picture, "picture", "history.html", "file for a picture of what is wrong")
	flag.Parse()
	s.endpoints = strings.Split(*endpoints, ",")

	run, err := begin(s)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	stop := make(chan struct{})
	go func() {
		bufio.NewReader(os.Stdin).ReadString('\n')
		close(stop)
	}()
	for stopped := false; !stopped; {
		select {
		case <-stop:
			stopped = true
		case <-time.After(progressPause):
			fmt.Printf("progress %d %d\n", run.answered.Load(), run.failed.Load())
		}
	}
	report := run.end()
	json.NewEncoder(os.Stdout).Encode(report)
	if len(report.Wrong) > 0 {
		os.Exit(1)
	}
}
