// Publishes an event with openapi-fetch and the types that openapi-typescript generates from the API's description, and
// reads an enabled webhook endpoint: with a wrong description its null fields would not compile.
import createClient from "openapi-fetch";
import type { components, paths } from "./portico.js";

const { PORTICO_URL: baseUrl, PORTICO_KEY: key } = process.env;
const api = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });

const endpoint = await api.POST("/v1/webhook-endpoints", {
  body: { url: "https://example.com/webhooks", event_types: ["customer.*"] },
});
if (!endpoint.data) throw new Error(`create a webhook endpoint: ${JSON.stringify(endpoint.error)}`);
const reason: "requested" | "gone" | "failing" | null = endpoint.data.disabled_reason;
if (reason !== null) throw new Error(`a new webhook endpoint is disabled: ${reason}`);

const event = await api.POST("/v1/events", { body: { type: "invoice.paid", data: { total: 1.1 } } });
if (!event.data) throw new Error(`publish: ${JSON.stringify(event.error)}`);
const published: components["schemas"]["PublishedEvent"] = event.data;
if (published.type !== "invoice.paid") throw new Error(`published ${published.type}`);

const refused = await api.POST("/v1/events", { body: { type: "no spaces please", data: 1 } });
if (!refused.error || !("code" in refused.error) || refused.error.code !== "invalid_request") {
  throw new Error(`publish a wrong event: ${refused.response.status}`);
}
