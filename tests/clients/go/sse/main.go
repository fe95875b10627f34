// Command sse reads a stream of server-sent events with a Go library, and goes on for as long as it
// does.
//
//	sse LIBRARY URL
//
// One JSON object a line on stdout for each event that the library hands on: its name (empty for
// one without) and its data. What a library needs to come back after the end of an answer is done as
// its documentation says, and nothing else.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	r3labs "github.com/r3labs/sse/v2"
	tmaxmax "github.com/tmaxmax/go-sse"
)

func say(event, data string) {
	if event == "message" {
		event = ""
	}
	line, err := json.Marshal(map[string]string{"event": event, "data": data})
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

// An answer that ended is for it the end, without an error; the client knows how far it was.
func withR3labs(url string) {
	client := r3labs.NewClient(url)
	for {
		err := client.Subscribe("messages", func(event *r3labs.Event) {
			say(string(event.Event), string(event.Data))
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		time.Sleep(time.Second)
	}
}

func withTmaxmax(url string) {
	request, err := http.NewRequest(http.MethodGet, url, http.NoBody)
	if err != nil {
		panic(err)
	}
	connection := tmaxmax.NewConnection(request)
	connection.SubscribeToAll(func(event tmaxmax.Event) { say(event.Type, event.Data) })
	fmt.Fprintln(os.Stderr, connection.Connect())
	os.Exit(1)
}

func main() {
	libraries := map[string]func(string){"r3labs": withR3labs, "go-sse": withTmaxmax}
	libraries[os.Args[1]](os.Args[2])
}
