package audit

import (
	"net/http"
	"time"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/audit/stream"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/webhook"
	"portico/shared/webhook/signing"
)

// UpdateStream is PATCH /v1/audit-streams/{id}.
var UpdateStream = edge.Write[updateStreamInput, streamOutput]{
	Op: edge.Op{
		ID: "updateAuditStream", Method: http.MethodPatch, Path: "/v1/audit-streams/{id}", Function: "audit-log",
		Faults:     []*fault.Error{stream.ErrNotFound},
		Example:    `{"status":"enabled"}`,
		Permission: auth.AuditStreamsWrite, Cost: 1, Audit: "audit_stream.update",
		Tag: Tag, Summary: "Change, pause or resume a stream of the audit log",
		Description: "#updateAuditStream",
	},
	Handle: updateStream,
}

// DeleteStream is DELETE /v1/audit-streams/{id}.
var DeleteStream = edge.Write[StreamPath, struct{}]{
	Op: edge.Op{
		ID: "deleteAuditStream", Method: http.MethodDelete, Path: "/v1/audit-streams/{id}", Function: "audit-log",
		Faults:     []*fault.Error{stream.ErrNotFound},
		Permission: auth.AuditStreamsWrite, Cost: 1, Audit: "audit_stream.delete", Status: http.StatusNoContent,
		Tag: Tag, Summary: "Delete a stream of the audit log",
		Description: "A batch that is being sent may still arrive. The audit log itself stays as it is.",
	},
	Handle: deleteStream,
}

// RotateStreamSecret is POST /v1/audit-streams/{id}/rotate-secret.
var RotateStreamSecret = edge.Write[rotateStreamInput, createdStreamOutput]{
	Op: edge.Op{
		ID: "rotateAuditStreamSecret", Method: http.MethodPost, Path: "/v1/audit-streams/{id}/rotate-secret", Function: "audit-log",
		Faults:     []*fault.Error{stream.ErrNotFound, stream.ErrNoSigningSecret},
		Example:    `{"overlap_seconds":86400}`,
		Permission: auth.AuditStreamsWrite, Fresh: true, Cost: 1, Audit: "audit_stream.rotate_secret",
		Tag: Tag, Summary: "Give a stream of the audit log a new signing secret",
		Description: "Only for the type https. Until the overlap ends, requests have a signature by the old secret too.",
	},
	Handle: rotateStreamSecret,
}

// TestStream is POST /v1/audit-streams/{id}/test.
var TestStream = edge.Write[StreamPath, streamOutput]{
	Op: edge.Op{
		ID: "testAuditStream", Method: http.MethodPost, Path: "/v1/audit-streams/{id}/test", Function: "audit-log",
		Faults:     []*fault.Error{stream.ErrNotFound},
		Permission: auth.AuditStreamsWrite, Cost: 1, Audit: "audit_stream.test", Status: http.StatusAccepted,
		Tag: Tag, Summary: "Send a test entry",
		Description: "#testAuditStream",
	},
	Handle: testStream,
}

// ReplayStream is POST /v1/audit-streams/{id}/replay.
var ReplayStream = edge.Write[replayStreamInput, streamOutput]{
	Op: edge.Op{
		ID: "replayAuditStream", Method: http.MethodPost, Path: "/v1/audit-streams/{id}/replay", Function: "audit-log",
		Faults:     []*fault.Error{stream.ErrNotFound, stream.ErrNothingToReplay},
		Example:    `{"since":"2026-11-01T00:00:00Z"}`,
		Permission: auth.AuditStreamsWrite, Cost: 20, Audit: "audit_stream.replay", Status: http.StatusAccepted,
		Tag: Tag, Summary: "Send past entries again",
		Description: "#replayAuditStream",
	},
	Handle: replayStream,
}

type updateStreamInput struct {
	StreamPath
	Body struct {
		Name   *string `json:"name,omitempty" minLength:"1" maxLength:"100" doc:"A name for people."`
		Status *string `json:"status,omitempty" enum:"enabled,paused" doc:"paused: nothing is sent; enabled: it goes on where it stopped." example:"paused"`
		StreamSettings
		StreamFilter
	}
}

type rotateStreamInput struct {
	StreamPath
	Body *struct {
		OverlapSeconds *int `json:"overlap_seconds,omitempty" minimum:"0" maximum:"604800" default:"86400" doc:"How long the old secret signs too: at most seven days. Send 0 if it has leaked: it ends at once."`
	}
}

type replayStreamInput struct {
	StreamPath
	Body struct {
		From  int64      `json:"from,omitempty" minimum:"1" doc:"The number of the first entry; instead of since." example:"1"`
		To    int64      `json:"to,omitempty" minimum:"1" doc:"The number of the last entry; instead of until." example:"500"`
		Since *time.Time `json:"since,omitempty" doc:"Entries that were made at this time or later." example:"2026-11-01T00:00:00Z"`
		Until *time.Time `json:"until,omitempty" doc:"Entries that were made before this time." example:"2026-12-01T00:00:00Z"`
	}
}

// Resolve hands the input to the frame.
func (in *updateStreamInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *updateStreamInput) Check(c *edge.Call) error {
	b := &in.Body
	var one error
	if given := b.given(); len(given) > 1 {
		one = fault.InvalidField("body."+given[1], "belongs to another type: send only the member with the name of the stream's type")
	}
	return fault.Join(edge.CheckName("body.name", b.Name), one, b.StreamSettings.check(c, false), b.StreamFilter.check())
}

// Resolve hands the input to the frame.
func (in *replayStreamInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *replayStreamInput) Check(*edge.Call) error {
	b := in.Body
	var faults []error
	switch {
	case b.From == 0 && b.Since == nil:
		faults = append(faults, fault.InvalidField("body.from", "is missing: say from which number or since which time entries are sent again"))
	case b.From > 0 && b.Since != nil:
		faults = append(faults, fault.InvalidField("body.since", "cannot be sent with from: send one of them"))
	}
	if b.To > 0 && b.Until != nil {
		faults = append(faults, fault.InvalidField("body.until", "cannot be sent with to: send one of them"))
	}
	if b.To > 0 && b.From > b.To {
		faults = append(faults, fault.InvalidField("body.from", "must not be after to"))
	}
	if b.Since != nil && b.Until != nil && !b.Since.Before(*b.Until) {
		faults = append(faults, fault.InvalidField("body.since", "must be before until"))
	}
	for location, at := range map[string]*time.Time{"body.since": b.Since, "body.until": b.Until} {
		if at != nil {
			faults = append(faults, checkSince1970(location, *at))
		}
	}
	return fault.Join(faults...)
}

func updateStream(c *edge.Call, in *updateStreamInput) (*streamOutput, error) {
	b := &in.Body
	change := stream.Change{Name: b.Name, Status: b.Status, Secret: b.secret()}
	if given := b.given(); len(given) > 0 {
		change.Type, change.Settings = given[0], b.settings
	}
	if !b.StreamFilter.isEmpty() {
		change.Filter = b.filter
	}
	before, after, err := stream.Update(c, c.Tx, c.Org, in.ID, change, c.Now(), c.Box)
	if err != nil {
		return nil, err
	}
	c.Audit(streamFields(before, false), streamFields(after, change.Secret != ""), streamTarget(after.ID))
	return &streamOutput{Body: showStream(after)}, nil
}

func deleteStream(c *edge.Call, in *StreamPath) (*struct{}, error) {
	deleted, err := stream.Delete(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	c.Audit(streamFields(deleted, false), nil, streamTarget(deleted.ID))
	return nil, nil
}

func rotateStreamSecret(c *edge.Call, in *rotateStreamInput) (*createdStreamOutput, error) {
	overlap := webhook.DefaultOverlap
	if in.Body != nil && in.Body.OverlapSeconds != nil {
		overlap = time.Duration(*in.Body.OverlapSeconds) * time.Second
	}
	secret := signing.NewSecret()
	rotated, err := stream.RotateSecret(c, c.Tx, c.Org, in.ID, secret, overlap, c.Now(), c.Box)
	if err != nil {
		return nil, err
	}
	c.Audit(nil, audit.Fields{"secret": audit.Changed, "overlap_seconds": overlap.Seconds()}, streamTarget(rotated.ID))
	return &createdStreamOutput{
		Location: "/v1/audit-streams/" + rotated.ID.String(), Body: createdStream{StreamBody: showStream(rotated), Secret: &secret},
	}, nil
}

func testStream(c *edge.Call, in *StreamPath) (*streamOutput, error) {
	tested, err := stream.Test(c, c.Tx, c.Org, in.ID, c.Now())
	if err != nil {
		return nil, err
	}
	c.Audit(nil, nil, streamTarget(tested.ID))
	return &streamOutput{Body: showStream(tested)}, nil
}

func replayStream(c *edge.Call, in *replayStreamInput) (*streamOutput, error) {
	b := in.Body
	replayed, err := stream.StartReplay(c, c.Tx, c.Org, in.ID, stream.Range{From: b.From, To: b.To, Since: b.Since, Until: b.Until}, c.Now())
	if err != nil {
		return nil, err
	}
	c.Audit(nil, audit.Fields{"from": replayed.Replay.From, "to": replayed.Replay.To}, streamTarget(replayed.ID))
	return &streamOutput{Body: showStream(replayed)}, nil
}
