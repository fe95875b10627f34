package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/falcosecurity/client-go/pkg/api/outputs"
	"github.com/falcosecurity/client-go/pkg/api/schema"
	"github.com/falcosecurity/client-go/pkg/api/version"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	reflection "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// versionFields are the fields of falco.version.response at the end of the API's life. client-go
// knows 1 to 8, with 7 under its old name engine_version.
var versionFields = map[int32]struct {
	name string
	kind descriptorpb.FieldDescriptorProto_Type
}{
	1:  {"version", descriptorpb.FieldDescriptorProto_TYPE_STRING},
	2:  {"major", descriptorpb.FieldDescriptorProto_TYPE_UINT32},
	3:  {"minor", descriptorpb.FieldDescriptorProto_TYPE_UINT32},
	4:  {"patch", descriptorpb.FieldDescriptorProto_TYPE_UINT32},
	5:  {"prerelease", descriptorpb.FieldDescriptorProto_TYPE_STRING},
	6:  {"build", descriptorpb.FieldDescriptorProto_TYPE_STRING},
	7:  {"engine_minor", descriptorpb.FieldDescriptorProto_TYPE_UINT32},
	8:  {"engine_fields_checksum", descriptorpb.FieldDescriptorProto_TYPE_STRING},
	9:  {"engine_major", descriptorpb.FieldDescriptorProto_TYPE_UINT32},
	10: {"engine_patch", descriptorpb.FieldDescriptorProto_TYPE_UINT32},
	11: {"engine_version", descriptorpb.FieldDescriptorProto_TYPE_STRING},
}

// compareDescriptors reads the files of Falco's services by reflection and compares them with those
// in client-go:
//
//  1. outputs.proto and schema.proto must be equal except for comments.
//  2. version.proto must have client-go's service, field numbers and types, and the later fields.
func compareDescriptors(ctx context.Context, endpoint string) error {
	files, err := serverFiles(ctx, endpoint)
	if err != nil {
		return err
	}
	var wrong []error
	for _, ours := range []protoreflect.FileDescriptor{
		outputs.File_outputs_proto, schema.File_schema_proto,
	} {
		known := plain(protodesc.ToFileDescriptorProto(ours))
		served, found := files[known.GetName()]
		if !found {
			wrong = append(wrong, fmt.Errorf("%s: the server has no such file", known.GetName()))
			continue
		}
		if !proto.Equal(plain(served), known) {
			wrong = append(wrong, fmt.Errorf("%s differs\nserver:\n%s\nclient-go:\n%s",
				known.GetName(), prototext.Format(plain(served)), prototext.Format(known)))
		}
	}
	wrong = append(wrong, compareVersion(files["version.proto"]))
	if err := errors.Join(wrong...); err != nil {
		return err
	}
	say(map[string]bool{"equal": true})
	return nil
}

// plain returns the file without comments and positions.
func plain(file *descriptorpb.FileDescriptorProto) *descriptorpb.FileDescriptorProto {
	copied := proto.Clone(file).(*descriptorpb.FileDescriptorProto)
	copied.SourceCodeInfo = nil
	return copied
}

func compareVersion(served *descriptorpb.FileDescriptorProto) error {
	if served == nil {
		return errors.New("version.proto: the server has no such file")
	}
	known := plain(protodesc.ToFileDescriptorProto(version.File_version_proto))
	same := plain(served)
	response := func(file *descriptorpb.FileDescriptorProto) *descriptorpb.DescriptorProto {
		for _, message := range file.MessageType {
			if message.GetName() == "response" {
				return message
			}
		}
		return &descriptorpb.DescriptorProto{}
	}
	var wrong []error
	fields := map[int32]*descriptorpb.FieldDescriptorProto{}
	for _, field := range response(same).Field {
		fields[field.GetNumber()] = field
	}
	for _, field := range response(known).Field {
		if fields[field.GetNumber()].GetType() != field.GetType() {
			wrong = append(wrong, fmt.Errorf("version.proto: field %d differs from client-go's",
				field.GetNumber()))
		}
	}
	if len(fields) != len(versionFields) {
		wrong = append(wrong, fmt.Errorf("version.proto: %d fields, not %d", len(fields),
			len(versionFields)))
	}
	for number, want := range versionFields {
		field := fields[number]
		if field.GetName() != want.name || field.GetType() != want.kind {
			wrong = append(wrong, fmt.Errorf("version.proto: field %d is %q %v, not %q %v", number,
				field.GetName(), field.GetType(), want.name, want.kind))
		}
	}
	// Without the fields of this message the rest must be equal.
	response(known).Field, response(same).Field = nil, nil
	if !proto.Equal(same, known) {
		wrong = append(wrong, fmt.Errorf("version.proto differs\nserver:\n%s\nclient-go:\n%s",
			prototext.Format(same), prototext.Format(known)))
	}
	return errors.Join(wrong...)
}

// serverFiles reads the files of both services with reflection v1, by name.
func serverFiles(ctx context.Context, endpoint string) (
	map[string]*descriptorpb.FileDescriptorProto, error,
) {
	credentials, err := transport(endpoint)
	if err != nil {
		return nil, err
	}
	connection, err := grpc.DialContext(ctx, endpoint, grpc.WithTransportCredentials(credentials))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	stream, err := reflection.NewServerReflectionClient(connection).ServerReflectionInfo(ctx)
	if err != nil {
		return nil, err
	}
	files := map[string]*descriptorpb.FileDescriptorProto{}
	for _, request := range []*reflection.ServerReflectionRequest{
		{MessageRequest: &reflection.ServerReflectionRequest_FileContainingSymbol{
			FileContainingSymbol: "falco.outputs.service"}},
		{MessageRequest: &reflection.ServerReflectionRequest_FileContainingSymbol{
			FileContainingSymbol: "falco.version.service"}},
		{MessageRequest: &reflection.ServerReflectionRequest_FileByFilename{
			FileByFilename: "schema.proto"}},
	} {
		if err := stream.Send(request); err != nil {
			return nil, err
		}
		answer, err := stream.Recv()
		if err != nil {
			return nil, err
		}
		if refused := answer.GetErrorResponse(); refused != nil {
			return nil, fmt.Errorf("reflection of %v: %s", request, refused.GetErrorMessage())
		}
		for _, data := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
			file := &descriptorpb.FileDescriptorProto{}
			if err := proto.Unmarshal(data, file); err != nil {
				return nil, err
			}
			files[file.GetName()] = file
		}
	}
	return files, nil
}

func transport(endpoint string) (credentials.TransportCredentials, error) {
	if strings.HasPrefix(endpoint, "unix:") {
		return insecure.NewCredentials(), nil
	}
	pair, err := tls.LoadX509KeyPair(
		filepath.Join(*certsFolder, "client.crt"), filepath.Join(*certsFolder, "client.key"))
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(filepath.Join(*certsFolder, "ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, errors.New("ca.crt holds no certificate")
	}
	return credentials.NewTLS(
		&tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots}), nil
}
