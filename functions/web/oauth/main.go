// Command oauth gives apps their tokens; see shared/pages/token.
package main

import "portico/shared/lambdahost/site"

func main() { site.OAuth() }
