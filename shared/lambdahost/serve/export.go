package serve

import (
	"portico/shared/api/edge"
	"portico/shared/bucket"
	"portico/shared/lambdahost"
)

// AuditAPI is API for operations on the audit log: it makes links to exported files.
func AuditAPI(operations ...edge.Operation) {
	serve(special{also: func(h *host, s *edge.Server) error {
		var e lambdahost.ExportEnv
		if err := lambdahost.Read(&e); err != nil {
			return err
		}
		s.LinkTo = bucket.New(h.AWS, e.Bucket).Link
		return nil
	}}, operations)
}
