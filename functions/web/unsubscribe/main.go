// Command unsubscribe serves the page behind a mail's link to unsubscribe; see
// shared/pages/unsubscribe.
package main

import "portico/shared/lambdahost/site"

func main() { site.Unsubscribe() }
