// Reads metrics from standard input as Prometheus 3 does, in the format of the content type in the
// first argument. Prints a line for each type and each sample.
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

func main() {
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	// No fallback: the content type must be right.
	parser, err := textparse.New(body, os.Args[1], labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		switch entry {
		case textparse.EntryType:
			name, kind := parser.Type()
			fmt.Printf("type %s %s\n", name, kind)
		case textparse.EntrySeries:
			var sample labels.Labels
			parser.Labels(&sample)
			fmt.Printf("sample %s\n", sample)
		}
	}
}
