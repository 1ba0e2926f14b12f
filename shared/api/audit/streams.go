package audit

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit/stream"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/webhook/signing"
)

// CreateStream is POST /v1/audit-streams.
var CreateStream = edge.Write[createStreamInput, createdStreamOutput]{
	Op: edge.Op{
		ID: "createAuditStream", Method: http.MethodPost, Path: "/v1/audit-streams", Function: "audit-log",
		Faults:     []*fault.Error{stream.ErrTooMany},
		Example:    `{"name":"SIEM","type":"https","https":{"url":"https://siem.example.com/portico"},"categories":["security"]}`,
		Permission: auth.AuditStreamsWrite, Cost: 1, Audit: "audit_stream.create", Status: http.StatusCreated,
		Tag: Tag, Summary: "Create a stream of the audit log",
		Description: "#createAuditStream",
	},
	Handle: createStream,
}

// ListStreams is GET /v1/audit-streams.
var ListStreams = edge.Read[edge.Page, listStreamsOutput]{
	Op: edge.Op{
		ID: "listAuditStreams", Method: http.MethodGet, Path: "/v1/audit-streams", Function: "audit-log",
		Permission: auth.AuditStreamsRead, Cost: 1, Access: "audit_stream.read", Tag: Tag, Summary: "List streams of the audit log",
	},
	Handle: listStreams,
}

// GetStream is GET /v1/audit-streams/{id}.
var GetStream = edge.Read[StreamPath, streamOutput]{
	Op: edge.Op{
		ID: "getAuditStream", Method: http.MethodGet, Path: "/v1/audit-streams/{id}", Function: "audit-log",
		Faults:     []*fault.Error{stream.ErrNotFound},
		Permission: auth.AuditStreamsRead, Cost: 1, Access: "audit_stream.read", Tag: Tag, Summary: "Get a stream of the audit log",
	},
	Handle: getStream,
}

// StreamPath names a stream. It is exported because huma fills and describes only
// embedded structs that are exported.
type StreamPath struct {
	ID id.AuditStream `path:"id" doc:"The stream's id." example:"ast_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type streamReplayBody struct {
	_           struct{}    `nullable:"true"`
	From        int64       `json:"from" doc:"The number of its first entry." example:"1"`
	To          int64       `json:"to" doc:"The number of its last entry." example:"500"`
	Reached     int64       `json:"reached" doc:"All its entries up to this number are delivered again, or not selected." example:"500"`
	RequestedAt clock.Stamp `json:"requested_at" format:"date-time" doc:"When it was asked for."`
}

type streamTestBody struct {
	_        struct{}     `nullable:"true"`
	Waiting  bool         `json:"waiting" doc:"A test entry is still to be sent." example:"false"`
	TestedAt *clock.Stamp `json:"tested_at" format:"date-time" doc:"When one was last sent; null if never."`
	Error    *string      `json:"error" doc:"Why it was not accepted; null if it was." example:"answered 401: access was denied"`
}

// StreamBody is a stream without its secrets.
type StreamBody struct {
	ID   id.AuditStream `json:"id" doc:"The stream's id." example:"ast_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Name string         `json:"name" doc:"A name for people." example:"SIEM"`
	Type string         `json:"type" enum:"https,s3,splunk_hec,datadog" doc:"What gets the entries. It cannot be changed." example:"https"`
	ShownSettings
	Categories      []string          `json:"categories" nullable:"false" enum:"security,configuration,access,data" doc:"Only entries of these categories; empty: all." example:"[\"security\"]"`
	Actions         []string          `json:"actions" nullable:"false" doc:"Only entries with these actions; empty: all." example:"[\"api_key.*\"]"`
	Outcomes        []string          `json:"outcomes" nullable:"false" enum:"success,failure" doc:"Only entries with these outcomes; empty: all." example:"[\"failure\"]"`
	Status          string            `json:"status" enum:"enabled,paused" doc:"paused: nothing is sent, and nothing is lost." example:"enabled"`
	PauseReason     *string           `json:"pause_reason" enum:"requested,refused" doc:"#AuditStream.pause_reason"`
	PausedAt        *clock.Stamp      `json:"paused_at" format:"date-time" doc:"When it was paused; null if it is not."`
	Reached         int64             `json:"reached" doc:"#AuditStream.reached" example:"1841"`
	Waiting         int64             `json:"waiting" doc:"How many entries of the log come after reached." example:"1"`
	WaitingSince    *clock.Stamp      `json:"waiting_since" format:"date-time" doc:"When the first of these was made; null if there is none."`
	Failures        int               `json:"failures" doc:"How many tries have failed since the last success." example:"0"`
	FailingSince    *clock.Stamp      `json:"failing_since" format:"date-time" doc:"When the first of these failed; null if the last try did not."`
	NextTryAt       *clock.Stamp      `json:"next_try_at" format:"date-time" doc:"When the next try begins after a failure; null: nothing is waited for."`
	LastError       *string           `json:"last_error" doc:"What the last failed try has failed with; null if none has." example:"answered 503, expected 2xx"`
	LastErrorAt     *clock.Stamp      `json:"last_error_at" format:"date-time" doc:"When that was; null if none has failed."`
	LastDeliveredAt *clock.Stamp      `json:"last_delivered_at" format:"date-time" doc:"When entries were last delivered; null if never."`
	Replay          *streamReplayBody `json:"replay" doc:"The replay that was last asked for; null if none was."`
	Test            *streamTestBody   `json:"test" doc:"What became of the last test entry; null if none was asked for."`
	CreatedAt       clock.Stamp       `json:"created_at" format:"date-time" doc:"When the stream was created."`
	UpdatedAt       clock.Stamp       `json:"updated_at" format:"date-time" doc:"When the stream was last changed."`
}

type streamOutput struct{ Body StreamBody }

type listStreamsOutput struct{ Body edge.List[StreamBody] }

type createStreamInput struct {
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"100" doc:"A name for people." example:"SIEM"`
		Type string `json:"type" enum:"https,s3,splunk_hec,datadog" doc:"What gets the entries. The member with this name says where it is." example:"https"`
		StreamSettings
		StreamFilter
	}
}

type createdStream struct {
	StreamBody
	Secret *string `json:"secret" doc:"#AuditStream.secret" example:"whsec_…"`
}

type createdStreamOutput struct {
	Location string `header:"Location"`
	Body     createdStream
}

func showStream(s stream.Stream) StreamBody {
	b := StreamBody{
		ID: s.ID, Name: s.Name, Type: s.Type, ShownSettings: showSettings(s), Categories: s.Filter.Categories, Actions: s.Filter.Actions, Outcomes: s.Filter.Outcomes,
		Status: s.Status, PauseReason: s.PauseReason, PausedAt: clock.StampOf(s.PausedAt),
		Reached: s.Reached, Waiting: s.Head - s.Reached, WaitingSince: clock.StampOf(s.WaitingSince),
		Failures: s.Failures, FailingSince: clock.StampOf(s.FailingSince), NextTryAt: clock.StampOf(s.NextTryAt),
		LastError: s.LastError, LastErrorAt: clock.StampOf(s.LastErrorAt), LastDeliveredAt: clock.StampOf(s.LastDeliveredAt),
		CreatedAt: clock.Stamp(s.CreatedAt), UpdatedAt: clock.Stamp(s.UpdatedAt),
	}
	if r := s.Replay; r != nil {
		b.Replay = &streamReplayBody{From: r.From, To: r.To, Reached: r.Reached, RequestedAt: clock.Stamp(r.At)}
	}
	if !s.TestID.IsZero() || s.TestedAt != nil {
		b.Test = &streamTestBody{Waiting: !s.TestID.IsZero(), TestedAt: clock.StampOf(s.TestedAt), Error: s.TestError}
	}
	return b
}

// Resolve hands the input to the frame.
func (in *createStreamInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *createStreamInput) Check(c *edge.Call) error {
	b := &in.Body
	return fault.Join(edge.CheckName("body.name", &b.Name), b.StreamSettings.checkType(b.Type), b.StreamSettings.check(c, true), b.StreamFilter.check())
}

func createStream(c *edge.Call, in *createStreamInput) (*createdStreamOutput, error) {
	b := &in.Body
	n := stream.New{Name: b.Name, Type: b.Type, Filter: b.filter(stream.Filter{}), Secret: b.secret()}
	n.Settings = b.settings(stream.Settings{})
	if b.Type == stream.S3 {
		n.Settings.ExternalID = c.Org.String()
	}
	if b.Type == stream.HTTPS {
		n.Secret = signing.NewSecret()
	}
	made, err := stream.Insert(c, c.Tx, c.Org, n, c.Now(), c.Box)
	if err != nil {
		return nil, err
	}
	c.Audit(nil, streamFields(made, n.Secret != ""), streamTarget(made.ID))
	out := &createdStreamOutput{Location: "/v1/audit-streams/" + made.ID.String(), Body: createdStream{StreamBody: showStream(made)}}
	if b.Type == stream.HTTPS {
		out.Body.Secret = &n.Secret
	}
	return out, nil
}

func listStreams(c *edge.Call, in *edge.Page) (*listStreamsOutput, error) {
	var after id.AuditStream
	if err := c.Position("audit_streams", in.After, (*[16]byte)(&after.UUID)); err != nil {
		return nil, err
	}
	list, err := stream.List(c, c.Tx, c.Org, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return &listStreamsOutput{Body: edge.ListOf(list, in.Limit, showStream, func(last stream.Stream) *string {
		return c.Cursor("audit_streams", last.ID.UUID)
	})}, nil
}

func getStream(c *edge.Call, in *StreamPath) (*streamOutput, error) {
	found, err := stream.Get(c, c.Tx, c.Org, in.ID)
	return &streamOutput{Body: showStream(found)}, err
}
