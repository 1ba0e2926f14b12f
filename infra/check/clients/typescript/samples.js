// Writes the sample in TypeScript of every operation of a description into a file beside this one, as a reader would who
// copies it: node samples.js openapi.json
import { readFileSync, writeFileSync } from "node:fs";

const { paths } = JSON.parse(readFileSync(process.argv[2], "utf8"));
for (const operation of Object.values(paths).flatMap(Object.values)) {
  const sample = operation["x-codeSamples"]?.find(({ lang }) => lang === "typescript");
  if (!sample) throw new Error(`${operation.operationId} has no sample in TypeScript`);
  writeFileSync(new URL(`${operation.operationId}.ts`, import.meta.url), sample.source);
}
