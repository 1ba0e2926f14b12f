// Command resend receives what Resend reports about mails; see shared/pages/resend.
package main

import "portico/shared/lambdahost/site"

func main() { site.Resend() }
