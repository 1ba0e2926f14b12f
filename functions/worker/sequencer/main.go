// Command sequencer gives audit entries their places in the chains when SQS nudges it; see shared/audit/chain.
package main

import "portico/shared/lambdahost/work"

func main() { work.Sequencer() }
