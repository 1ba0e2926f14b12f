// What publish.ts and the samples use of Node.
declare const process: { env: Record<string, string | undefined> };
