// Reads frames from stdin with Kapacitor's own decoder, as kapacitord reads what a UDF sends.
//
// Prints how many it read. Ends with status 1 at the first one that kapacitord could not take, and
// says which, counted from 0, and why.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/influxdata/kapacitor/udf/agent"
)

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	var buf []byte
	count := 0
	for {
		// The end of the input is clean only between two frames.
		if _, err := in.Peek(1); errors.Is(err, io.EOF) {
			break
		}
		// kapacitord decodes each message into a new Response.
		response := new(agent.Response)
		if err := agent.ReadMessage(&buf, in, response); err != nil {
			fail(count, err)
		}
		if response.Message == nil {
			fail(count, errors.New("no message is set"))
		}
		count++
	}
	fmt.Println(count)
}

func fail(index int, err error) {
	fmt.Fprintf(os.Stderr, "response %d: %v\n", index, err)
	os.Exit(1)
}
