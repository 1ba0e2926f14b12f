// Command restore puts audit entries back from their archive; see shared/audit/restore.
package main

import "portico/shared/lambdahost/work"

func main() { work.Restore() }
