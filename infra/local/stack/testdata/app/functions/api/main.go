// Command api does with each AWS service what its path says.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	mail "github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/jackc/pgx/v5"
)

func main() {
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		panic(err)
	}
	lambda.Start(func(ctx context.Context, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		text, err := serve(ctx, cfg, e)
		fmt.Println("served", e.RawPath)
		return events.APIGatewayV2HTTPResponse{StatusCode: 200, Body: text}, err
	})
}

func serve(ctx context.Context, cfg aws.Config, e events.APIGatewayV2HTTPRequest) (string, error) {
	arg := e.QueryStringParameters["arg"]
	switch e.RawPath {
	case "/env":
		data, err := json.Marshal(map[string]string{arg: os.Getenv(arg)})
		return string(data), err
	case "/user":
		var text string
		conn, err := pgx.Connect(ctx, os.Getenv("DATABASE_URL"))
		if err != nil {
			return "", err
		}
		defer conn.Close(ctx)
		return text, conn.QueryRow(ctx, "SELECT current_user::text").Scan(&text)
	case "/send":
		url := os.Getenv("QUEUE_URL")
		_, err := sqs.NewFromConfig(cfg).SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &arg})
		return "", err
	case "/item":
		table := os.Getenv("TABLE")
		out, err := dynamodb.NewFromConfig(cfg).GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: arg}}})
		if err != nil || out.Item == nil {
			return "", err
		}
		return arg, nil
	case "/secret":
		id := os.Getenv("SECRET")
		out, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &id})
		if err != nil {
			return "", err
		}
		return *out.SecretString, nil
	case "/mail":
		content := func(s string) *mail.Content { return &mail.Content{Data: &s} }
		_, err := sesv2.NewFromConfig(cfg).SendEmail(ctx, &sesv2.SendEmailInput{
			FromEmailAddress: aws.String("us@portico.test"), Destination: &mail.Destination{ToAddresses: []string{"you@portico.test"}},
			Content: &mail.EmailContent{Simple: &mail.Message{Subject: content(arg), Body: &mail.Body{Text: content("<plain>"), Html: content(`<b title="x">rich</b>`)}}},
		})
		return "", err
	}
	return "default", nil
}
