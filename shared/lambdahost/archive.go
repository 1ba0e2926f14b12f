package lambdahost

import (
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/audit/anchor"
	"portico/shared/audit/archive"
	"portico/shared/bucket"
	"portico/shared/pg"
)

type (
	// anchorEnv names the table with the ends of the archived audit logs.
	anchorEnv struct {
		Table string `env:"ANCHOR_TABLE,required,notEmpty"`
	}
	// archiveEnv says where the archive of the audit logs is.
	archiveEnv struct {
		Anchors anchorEnv
		Bucket  string `env:"ARCHIVE_BUCKET,required,notEmpty"`
	}
)

func (h *host) anchors(e anchorEnv) anchor.Table {
	return anchor.NewTable(dynamodb.NewFromConfig(h.aws), e.Table)
}

func (h *host) archiver(db *pg.DB, e archiveEnv) *archive.Archiver {
	return &archive.Archiver{DB: db, Bucket: bucket.New(h.aws, e.Bucket), Anchors: h.anchors(e.Anchors), Clock: h.clock, Log: h.log}
}
