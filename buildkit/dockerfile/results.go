package dockerfile

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// encodeResult turns a result of the gateway into what the child gets: names for its references.
func (b *bridge) encodeResult(result *gateway.Result) (*gatewaypb.Result, error) {
	sent := &gatewaypb.Result{Metadata: result.Metadata}
	if result.Refs == nil {
		sent.Result = &gatewaypb.Result_Ref{Ref: b.nameRef(result.Ref)}
	} else {
		named := &gatewaypb.RefMap{Refs: map[string]*gatewaypb.Ref{}}
		for key, ref := range result.Refs {
			named.Refs[key] = b.nameRef(ref)
		}
		sent.Result = &gatewaypb.Result_Refs{Refs: named}
	}
	for key, list := range result.Attestations {
		for _, a := range list {
			attestation, err := gateway.AttestationToPB(&a)
			if err != nil {
				return nil, err
			}
			attestation.Ref = b.nameRef(a.Ref)
			if sent.Attestations == nil {
				sent.Attestations = map[string]*gatewaypb.Attestations{}
			}
			if sent.Attestations[key] == nil {
				sent.Attestations[key] = &gatewaypb.Attestations{}
			}
			sent.Attestations[key].Attestation = append(sent.Attestations[key].Attestation, attestation)
		}
	}
	return sent, nil
}

// decodeResult turns the result of the child into one of the gateway: references for their names.
func (b *bridge) decodeResult(sent *gatewaypb.Result) (*gateway.Result, error) {
	result := gateway.NewResult()
	result.Metadata = sent.GetMetadata()
	switch refs := sent.GetResult().(type) {
	case *gatewaypb.Result_Ref:
		ref, err := b.findRef(refs.Ref)
		if err != nil {
			return nil, err
		}
		result.SetRef(ref)
	case *gatewaypb.Result_Refs:
		for key, name := range refs.Refs.GetRefs() {
			ref, err := b.findRef(name)
			if err != nil {
				return nil, err
			}
			result.AddRef(key, ref)
		}
	default:
		return nil, errors.New("a result in a form that is not known")
	}
	for key, list := range sent.GetAttestations() {
		for _, a := range list.GetAttestation() {
			attestation, err := gateway.AttestationFromPB[gateway.Reference](a)
			if err != nil {
				return nil, err
			}
			if attestation.Ref, err = b.findRef(a.GetRef()); err != nil {
				return nil, err
			}
			result.AddAttestation(key, *attestation)
		}
	}
	return result, nil
}

// findRef returns the reference of a name, nil for the name "".
func (b *bridge) findRef(name *gatewaypb.Ref) (gateway.Reference, error) {
	if name.GetId() == "" {
		return nil, nil
	}
	return b.ref(name.GetId())
}

// metaResponse returns what the child gets to know of a source.
func metaResponse(meta *sourceresolver.MetaResponse) *gatewaypb.ResolveSourceMetaResponse {
	resp := &gatewaypb.ResolveSourceMetaResponse{Source: meta.Op}
	if image := meta.Image; image != nil {
		resp.Image = &gatewaypb.ResolveSourceImageResponse{Digest: string(image.Digest), Config: image.Config}
	}
	if git := meta.Git; git != nil {
		resp.Git = &gatewaypb.ResolveSourceGitResponse{
			Checksum: git.Checksum, Ref: git.Ref, CommitChecksum: git.CommitChecksum,
			CommitObject: git.CommitObject, TagObject: git.TagObject,
		}
	}
	if http := meta.HTTP; http != nil {
		resp.HTTP = &gatewaypb.ResolveSourceHTTPResponse{Checksum: http.Digest.String(), Filename: http.Filename}
		if http.LastModified != nil {
			resp.HTTP.LastModified = timestamppb.New(*http.LastModified)
		}
	}
	return resp
}

func platformOf(p *pb.Platform) *ocispecs.Platform {
	if p == nil {
		return nil
	}
	spec := p.Spec()
	return &spec
}

// ref finds a reference that was sent to the child.
func (b *bridge) ref(id string) (gateway.Reference, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ref, ok := b.refs[id]
	if !ok {
		return nil, fmt.Errorf("no result has the name %q", id)
	}
	return ref, nil
}

// nameRef gives a reference a name that the child can send back.
func (b *bridge) nameRef(ref gateway.Reference) *gatewaypb.Ref {
	if ref == nil {
		return &gatewaypb.Ref{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	id := strconv.Itoa(len(b.refs) + 1)
	b.refs[id] = ref
	return &gatewaypb.Ref{Id: id}
}
