// Command echo answers with its stage and its event, or fails.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(_ context.Context, event map[string]any) (map[string]any, error) {
		fmt.Println("a log line")
		if event["fail"] != nil {
			return nil, errors.New("no luck")
		}
		return map[string]any{"stage": os.Getenv("STAGE"), "name": event["name"]}, nil
	})
}
