// A client of Falco's gRPC API with client-go, Falco's own Go client, and no code of Falconer.
//
//	falco-go [--certs DIR] ENDPOINT COMMAND [COUNT]
//
// ENDPOINT is unix:///PATH (plaintext) or HOST:PORT (TLS with ca.crt, client.crt, client.key of
// DIR).
//
//	version, get
//	watch           client-go's OutputsWatch: an empty request after every 100 ms without an alert
//	sub-silent      never sends a request
//	sub-half-close  sends one request and half-closes
//	sub-burst       sends 3 bursts of 2,000 requests
//	exporter        counts alerts as falco-exporter did; see exporter.go
//	descriptors     compares the server's description of the API with client-go's; see
//	                descriptors.go
//
// A sub ends after COUNT alerts, or with the server if COUNT is 0. It prints one JSON object a
// line: each alert; {"open": true} after the response headers; {"sent": N} after the last request;
// {"status": N} when a sub ends, or another call ends with a status other than OK. The exit code is
// 0 if all alerts arrived, 3 after a "status" line, and 1 after any other error.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/falcosecurity/client-go/pkg/api/outputs"
	"github.com/falcosecurity/client-go/pkg/api/version"
	"github.com/falcosecurity/client-go/pkg/client"
	"google.golang.org/grpc/status"
)

const deadline = 30 * time.Second

var (
	errEnough   = errors.New("all alerts asked for have come")
	errEndedOK  = errors.New("the stream ended with OK")
	printing    sync.Mutex
	certsFolder = flag.String("certs", "", "folder with ca.crt, client.crt and client.key")
)

func say(value any) {
	printing.Lock()
	defer printing.Unlock()
	line, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

func sayAlert(res *outputs.Response) {
	fields, tags := res.OutputFields, res.Tags
	if fields == nil {
		fields = map[string]string{}
	}
	if tags == nil {
		tags = []string{}
	}
	say(map[string]any{
		"time":              fmt.Sprintf("%d.%09d", res.Time.GetSeconds(), res.Time.GetNanos()),
		"priority":          int32(res.Priority),
		"source_deprecated": int32(res.SourceDeprecated),
		"rule":              res.Rule,
		"output":            res.Output,
		"output_fields":     fields,
		"hostname":          res.Hostname,
		"tags":              tags,
		"source":            res.Source,
	})
}

func config(endpoint string) (*client.Config, error) {
	if strings.HasPrefix(endpoint, "unix:") {
		return &client.Config{UnixSocketPath: endpoint}, nil
	}
	host, portText, err := net.SplitHostPort(endpoint)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, err
	}
	return &client.Config{
		Hostname:   host,
		Port:       uint16(port),
		CertFile:   filepath.Join(*certsFolder, "client.crt"),
		KeyFile:    filepath.Join(*certsFolder, "client.key"),
		CARootFile: filepath.Join(*certsFolder, "ca.crt"),
	}, nil
}

func sayVersion(ctx context.Context, c *client.Client) error {
	service, err := c.Version()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	res, err := service.Version(ctx, &version.Request{})
	if err != nil {
		return err
	}
	say(map[string]any{
		"version": res.Version, "major": res.Major, "minor": res.Minor, "patch": res.Patch,
		"prerelease": res.Prerelease, "build": res.Build, "engine_version": res.EngineVersion,
		"engine_fields_checksum": res.EngineFieldsChecksum,
	})
	return nil
}

func get(ctx context.Context, c *client.Client) error {
	service, err := c.Outputs()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	stream, err := service.Get(ctx, &outputs.Request{})
	if err != nil {
		return err
	}
	for {
		res, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		sayAlert(res)
	}
}

// subscribe runs one of the sub commands. It returns nil only after count alerts.
func subscribe(ctx context.Context, c *client.Client, kind string, count int) error {
	service, err := c.Outputs()
	if err != nil {
		return err
	}
	stream, err := service.Sub(ctx)
	if err != nil {
		return err
	}
	if _, err := stream.Header(); err != nil {
		return err
	}
	say(map[string]bool{"open": true})
	if kind == "watch" {
		seen := 0
		err := client.OutputsWatch(ctx, stream, func(res *outputs.Response) error {
			sayAlert(res)
			seen++
			if seen == count {
				return errEnough
			}
			return nil
		}, 100*time.Millisecond)
		return watched(err)
	}
	go send(stream, kind)
	for seen := 0; ; {
		res, err := stream.Recv()
		if err == io.EOF {
			return errEndedOK
		}
		if err != nil {
			return err
		}
		sayAlert(res)
		seen++
		if seen == count {
			return nil
		}
	}
}

// watched interprets the result of OutputsWatch. It returns nil for a stream that ended with OK.
func watched(err error) error {
	if err == nil {
		return errEndedOK
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// send sends the requests of a subscriber of this kind.
func send(stream outputs.Service_SubClient, kind string) {
	sent := 0
	write := func() {
		if stream.Send(&outputs.Request{}) == nil {
			sent++
		}
	}
	switch kind {
	case "sub-half-close":
		write()
		if err := stream.CloseSend(); err != nil {
			return
		}
	case "sub-burst":
		for burst := 0; burst < 3; burst++ {
			for i := 0; i < 2000; i++ {
				write()
			}
			time.Sleep(200 * time.Millisecond)
		}
	default:
		return
	}
	say(map[string]int{"sent": sent})
}

func run(ctx context.Context, endpoint, command string, count int) error {
	if command == "descriptors" {
		return compareDescriptors(ctx, endpoint)
	}
	settings, err := config(endpoint)
	if err != nil {
		return err
	}
	c, err := client.NewForConfig(ctx, settings)
	if err != nil {
		return err
	}
	defer c.Close()
	switch command {
	case "version":
		return sayVersion(ctx, c)
	case "get":
		return get(ctx, c)
	case "watch", "sub-silent", "sub-half-close", "sub-burst":
		return subscribe(ctx, c, command, count)
	case "exporter":
		return export(ctx, c, count)
	default:
		return fmt.Errorf("unknown command %s", command)
	}
}

func main() {
	flag.Parse()
	count, err := strconv.Atoi(flag.Arg(2))
	if err != nil {
		count = 0
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err = run(ctx, flag.Arg(0), flag.Arg(1), count)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, err)
	if errors.Is(err, errEndedOK) {
		say(map[string]int{"status": 0})
		os.Exit(3)
	}
	if s, ok := status.FromError(err); ok {
		say(map[string]int{"status": int(s.Code())})
		os.Exit(3)
	}
	os.Exit(1)
}
