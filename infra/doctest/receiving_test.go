package doctest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	stripe "github.com/stripe/stripe-go/v76/webhook"

	"portico/infra/local/stacktest"
	"portico/shared/testkit"
)

// signed is a delivery and the secret or public key that verifies it.
type signed struct {
	Body                     []byte
	ID, Timestamp, Signature string
	Secret                   string // or public key
	Headers                  map[string]string
}

// receive returns an event as it is delivered to an endpoint with a signature scheme.
func receive(t *testing.T, scheme string) signed {
	t.Helper()
	rec := testkit.NewReceiver(t, nil)
	customer := stacktest.NewCustomer(t, running)
	var endpoint struct {
		Secret    string
		PublicKey string `json:"public_key"`
	}
	customer.Do("POST", "/v1/webhook-endpoints", `{"url":"`+rec.URL+`","event_types":["*"],"signature_scheme":"`+scheme+`"}`, http.StatusCreated, &endpoint)
	customer.Do("POST", "/v1/events", `{"type":"invoice.paid","data":{"id":"in_1","name":"Zoë <&>","total":1.10}}`, http.StatusAccepted, nil)
	testkit.Await(t, "the delivery", func() bool { return len(rec.All()) > 0 })
	r := rec.All()[0]
	d := signed{Body: r.Body, ID: r.Header.Get("Webhook-Id"), Timestamp: r.Header.Get("Webhook-Timestamp"), Signature: r.Header.Get("Webhook-Signature")}
	d.Headers = map[string]string{"webhook-id": d.ID, "webhook-timestamp": d.Timestamp, "webhook-signature": d.Signature}
	if d.Secret = endpoint.Secret; scheme == "standard_asymmetric" {
		d.Secret = endpoint.PublicKey
	}
	return d
}

// languages says how to run a sample: a program calls it for the delivery on its
// standard input and prints whether it is valid.
var languages = map[string]struct {
	run   func(t *testing.T, dir, sample, program string) *exec.Cmd
	calls map[string]string // by scheme
}{
	"go": {runGo, map[string]string{
		"portico":             `Verify(d.Body, d.Signature, d.Secret) == nil`,
		"standard_asymmetric": `Verify(d.Body, d.ID, d.Timestamp, d.Signature, d.Secret)`,
	}},
	"ts": {runTypeScript, map[string]string{
		"portico":             `verify(body, d.Signature, d.Secret).id === d.ID`,
		"standard":            `(verify(body, d.Headers, d.Secret) as any).id === d.ID`,
		"standard_asymmetric": `verify(body, d.ID, d.Timestamp, d.Signature, d.Secret)`,
	}},
	"python": {runPython, map[string]string{
		"portico":             `verify(body, d["Signature"], d["Secret"]).id == d["ID"]`,
		"standard":            `verify(body, d["Headers"], d["Secret"])["id"] == d["ID"]`,
		"standard_asymmetric": `verify(body, d["ID"], d["Timestamp"], d["Signature"], d["Secret"])`,
	}},
}

func runGo(t *testing.T, dir, sample, call string) *exec.Cmd {
	sample = strings.Replace(sample, "package receiver", "package main", 1)
	program := `package main
import ("encoding/json"; "fmt"; "os")
func main() {
	var d struct { Body []byte; ID, Timestamp, Signature, Secret string }
	if err := json.NewDecoder(os.Stdin).Decode(&d); err != nil { panic(err) }
	fmt.Println(` + call + `)
}`
	binary := filepath.Join(dir, "sample")
	build := exec.Command("go", "build", "-o", binary, write(t, dir, "sample.go", sample), write(t, dir, "main.go", program))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return exec.Command(binary)
}

func runTypeScript(t *testing.T, dir, sample, call string) *exec.Cmd {
	program := `import { readFileSync } from "node:fs";
` + sample + `
const d = JSON.parse(readFileSync(0, "utf8"));
const body = Buffer.from(d.Body, "base64");
let valid = false;
try { valid = ` + call + `; } catch (e) { if (!/ignature|match/.test(String(e))) throw e; }
console.log(valid);
`
	file := write(t, dir, "sample.mts", program)
	check := exec.Command("node_modules/.bin/tsc", "--strict", "--target", "es2022", "--module", "nodenext", "--types", "node", file)
	if out, err := check.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return exec.Command("node", strings.TrimSuffix(file, ".mts")+".mjs")
}

func runPython(t *testing.T, dir, sample, call string) *exec.Cmd {
	program := sample + `
import base64, json, sys
d = json.load(sys.stdin)
body = base64.b64decode(d["Body"])
try:
    print(str(` + call + `).lower())
except Exception as e:
    if "ignature" not in type(e).__name__ + "Verification" + str(e): raise
    print("false")
`
	return exec.Command(root+"/.local/doctest/bin/python", write(t, dir, "sample.py", program))
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Every sample of docs/receiving-webhooks.md accepts a signed delivery, and refuses it if
// a byte was changed.
func TestSamplesVerifyDeliveries(t *testing.T) {
	t.Parallel()
	ran := 0
	for _, b := range blocks(t) {
		if len(b.info) != 2 || b.info[0] == "sh" || b.file != "docs/receiving-webhooks.md" {
			continue
		}
		language, scheme := b.info[0], b.info[1]
		ran++
		t.Run(language+" "+scheme, func(t *testing.T) {
			t.Parallel()
			// Below node_modules the samples find their libraries.
			dir, err := os.MkdirTemp("node_modules", ".sample-")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			how := languages[language]
			delivery := receive(t, scheme)
			forged := delivery
			forged.Body = bytes.Replace(delivery.Body, []byte("1.10"), []byte("9.10"), 1)
			cmd := how.run(t, dir, strings.Join(b.lines, "\n"), how.calls[scheme])
			for _, c := range []struct {
				delivery signed
				want     string
			}{{delivery, "true"}, {forged, "false"}} {
				again := exec.Command(cmd.Path, cmd.Args[1:]...)
				input, err := json.Marshal(c.delivery)
				if err != nil {
					t.Fatal(err)
				}
				again.Stdin = bytes.NewReader(input)
				var stderr bytes.Buffer
				again.Stderr = &stderr
				if out, err := again.Output(); err != nil || strings.TrimSpace(string(out)) != c.want {
					t.Errorf("%s: %s %v, want %s\n%s", b, out, err, c.want, &stderr)
				}
			}
		})
	}
	if ran != 8 {
		t.Errorf("%d samples were run, want 8", ran)
	}
}

// docs/receiving-webhooks.md warns about this.
func TestStripesGoLibraryOnlyValidatesPayloads(t *testing.T) {
	t.Parallel()
	d := receive(t, "portico")
	if err := stripe.ValidatePayload(d.Body, d.Signature, d.Secret); err != nil {
		t.Errorf("ValidatePayload: %v", err)
	}
	if _, err := stripe.ConstructEvent(d.Body, d.Signature, d.Secret); err == nil {
		t.Error("ConstructEvent accepts a delivery: recommend it")
	}
}
