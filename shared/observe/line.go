package observe

import (
	"encoding/json"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"time"

	"portico/shared/jsontext"
)

// buffers hold lines while they are built.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// appendMetrics appends the values, and the directive by which CloudWatch finds
// them, see «Specification: embedded metric format» in its manual.
func (l *Log) appendMetrics(out []byte, metrics []Metric, now time.Time) []byte {
	any := false
	for _, m := range metrics {
		if len(m.Values) == 0 {
			continue
		}
		any = true
		out = appendValues(jsontext.AppendName(out, m.Name), m.Values)
	}
	if !any {
		return out
	}
	out = jsontext.AppendString(jsontext.AppendName(out, "stage"), l.stage)
	out = append(out, `,"_aws":{"Timestamp":`...)
	out = strconv.AppendInt(out, now.UnixMilli(), 10)
	out = append(out, `,"CloudWatchMetrics":[{"Namespace":"`+Namespace+`","Dimensions":[["stage"]],"Metrics":[`...)
	for _, m := range metrics {
		if len(m.Values) == 0 {
			continue
		}
		if out[len(out)-1] == '}' {
			out = append(out, ',')
		}
		out = jsontext.AppendString(append(out, `{"Name":`...), m.Name)
		out = append(jsontext.AppendString(append(out, `,"Unit":`...), string(m.Unit)), '}')
	}
	return append(out, "]}]}"...)
}

// appendValues appends one number, or a list of several.
func appendValues(out []byte, values []float64) []byte {
	if len(values) == 1 {
		return appendFloat(out, values[0])
	}
	for i, v := range values {
		sign := byte(',')
		if i == 0 {
			sign = '['
		}
		out = appendFloat(append(out, sign), v)
	}
	return append(out, ']')
}

func appendValue(out []byte, v slog.Value) []byte {
	switch v = v.Resolve(); v.Kind() {
	case slog.KindString:
		return jsontext.AppendString(out, v.String())
	case slog.KindInt64:
		return strconv.AppendInt(out, v.Int64(), 10)
	case slog.KindBool:
		return strconv.AppendBool(out, v.Bool())
	case slog.KindFloat64:
		return appendFloat(out, v.Float64())
	case slog.KindGroup:
		out = append(out, '{')
		for _, a := range v.Group() {
			out = appendValue(jsontext.AppendName(out, a.Key), a.Value)
		}
		return append(out, '}')
	}
	text, err := json.Marshal(v.Any())
	if err != nil {
		return jsontext.AppendString(out, "cannot be shown: "+err.Error())
	}
	return append(out, text...)
}

// appendFloat appends null for what JSON has no number for.
func appendFloat(out []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(out, "null"...)
	}
	return strconv.AppendFloat(out, f, 'f', -1, 64)
}
