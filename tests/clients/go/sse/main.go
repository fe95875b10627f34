// Command sse reads a stream of server-sent events with a Go library, as long as the library does.
//
//	sse LIBRARY URL
//
// It prints one JSON object a line for each event of the library: the event's name (empty if it has
// none) and its data. If a library needs help to reconnect after the end of an answer, the program
// does exactly what the library's documentation says.
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

// Subscribe returns without an error when an answer ends. The client keeps its position.
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
