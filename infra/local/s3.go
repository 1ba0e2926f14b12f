package main

import (
	"net/http/httptest"

	"portico/infra/local/aws"
)

// startS3 serves an S3 without buckets on this machine, whose objects are in memory.
func startS3() (url string, stop func(), err error) {
	objects, err := aws.NewS3("")
	if err != nil {
		return "", nil, err
	}
	server := httptest.NewServer(objects)
	return server.URL, server.Close, nil
}
