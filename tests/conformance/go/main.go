// One case of gRPC's interoperability tests, with TLS options for which grpc-go's own program has
// no flags: a client certificate, and a version.
//
//	interop-mutual ADDRESS CERTIFICATES VERSION CASE
//
// CERTIFICATES is a folder with ca.crt, client.crt and client.key. VERSION is 1.2 or 1.3. The
// program exits with code 1 on an error, as grpc-go's cases do.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log"
	"os"
	"path/filepath"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/interop"
	"google.golang.org/grpc/peer"

	service "google.golang.org/grpc/interop/grpc_testing"
)

type test func(context.Context, service.TestServiceClient, ...grpc.CallOption)

var cases = map[string]test{
	"empty_unary":                 interop.DoEmptyUnaryCall,
	"large_unary":                 interop.DoLargeUnaryCall,
	"client_streaming":            interop.DoClientStreaming,
	"server_streaming":            interop.DoServerStreaming,
	"ping_pong":                   interop.DoPingPong,
	"empty_stream":                interop.DoEmptyStream,
	"timeout_on_sleeping_server":  interop.DoTimeoutOnSleepingServer,
	"cancel_after_begin":          interop.DoCancelAfterBegin,
	"cancel_after_first_response": interop.DoCancelAfterFirstResponse,
	"status_code_and_message":     interop.DoStatusCodeAndMessage,
	"special_status_message":      interop.DoSpecialStatusMessage,
	"custom_metadata":             interop.DoCustomMetadata,
}

var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 5 {
		log.Fatal("usage: interop-mutual ADDRESS CERTIFICATES VERSION CASE")
	}
	address, folder, version, name := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	wanted, known := versions[version]
	if !known {
		log.Fatalf("no such version: %s", version)
	}
	connection, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(credentials.NewTLS(configuration(folder, wanted))))
	check(err)
	defer connection.Close()

	ctx, client := context.Background(), service.NewTestServiceClient(connection)
	atVersion(ctx, client, wanted)
	switch run, known := cases[name]; {
	case known:
		run(ctx, client)
	case name == "unimplemented_method":
		interop.DoUnimplementedMethod(ctx, connection)
	case name == "unimplemented_service":
		interop.DoUnimplementedService(ctx, service.NewUnimplementedServiceClient(connection))
	default:
		log.Fatalf("no such case: %s", name)
	}
}

func configuration(folder string, version uint16) *tls.Config {
	at := func(name string) string { return filepath.Join(folder, name) }
	authority, err := os.ReadFile(at("ca.crt"))
	check(err)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		log.Fatal("ca.crt has no certificate")
	}
	own, err := tls.LoadX509KeyPair(at("client.crt"), at("client.key"))
	check(err)
	return &tls.Config{
		RootCAs:      roots,
		Certificates: []tls.Certificate{own},
		MinVersion:   version,
		MaxVersion:   version,
	}
}

// atVersion makes a call and checks its TLS version, without which the cases prove nothing.
func atVersion(ctx context.Context, client service.TestServiceClient, version uint16) {
	var server peer.Peer
	_, err := client.EmptyCall(ctx, &service.Empty{}, grpc.Peer(&server))
	check(err)
	info, ok := server.AuthInfo.(credentials.TLSInfo)
	if !ok || info.State.Version != version {
		log.Fatalf("not the requested TLS version: %v", server.AuthInfo)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
