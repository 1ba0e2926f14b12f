// The part of Node that publish.ts and the samples use.
declare const process: { env: Record<string, string | undefined> };
