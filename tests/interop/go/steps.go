// Go clients of Kafka on a broker: `kafkaclients franz|sarama HOST:PORT PREFIX` runs the steps of one of them and
// prints `ok NAME` or why not.
package main

import (
	"fmt"
	"os"
	"sort"
	"time"
)

var failures int

func step(name string, run func() error) {
	if err := run(); err != nil {
		fmt.Printf("FAILED %s: %v\n", name, err)
		failures++
		return
	}
	fmt.Println("ok", name)
}

func waitFor(what string, holds func() bool) error {
	for until := time.Now().Add(30 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			return fmt.Errorf("waited 30 s for %s", what)
		}
	}
	return nil
}

// Are these exactly PREFIX0..PREFIX(n-1), each once?
func numbered(found []string, prefix string, n int) error {
	seen := map[string]int{}
	for _, v := range found {
		seen[v]++
	}
	for i := 0; i < n; i++ {
		if c := seen[fmt.Sprint(prefix, i)]; c != 1 {
			return fmt.Errorf("%s%d is there %d times, of %d records", prefix, i, c, len(found))
		}
	}
	if len(seen) != n {
		extra := []string{}
		for v := range seen {
			extra = append(extra, v)
		}
		sort.Strings(extra)
		return fmt.Errorf("%d different records instead of %d: %v", len(seen), n, extra)
	}
	return nil
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: kafkaclients franz|sarama HOST:PORT PREFIX")
		os.Exit(2)
	}
	switch os.Args[1] {
	case "franz":
		franz(os.Args[2], os.Args[3])
	case "sarama":
		saramaSteps(os.Args[2], os.Args[3])
	}
	fmt.Println(failures, "failed")
	if failures > 0 {
		os.Exit(1)
	}
}
