package lambdahost

import (
	"portico/shared/api/edge"
	"portico/shared/bucket"
)

type exportEnv struct {
	Bucket string `env:"EXPORT_BUCKET,required,notEmpty"`
}

// AuditAPI is API for operations on the audit log: it makes links to exported files.
func AuditAPI(operations ...edge.Operation) {
	serve(special{also: func(h *host, s *edge.Server) error {
		var e exportEnv
		if err := read(&e); err != nil {
			return err
		}
		s.LinkTo = bucket.New(h.aws, e.Bucket).Link
		return nil
	}}, operations)
}
