// A client with the types that openapi-typescript generates from the API's description. It posts an
// alert, then reads the alert, a page and facets. The first argument is the server's address. It
// prints the answers as JSON.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

declare const process: { argv: string[] };

const [baseUrl] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl });

function got<T>(answer: { data?: T; error?: unknown; response: Response }): T {
    if (!answer.response.ok || answer.data === undefined) {
        throw new Error(`${answer.response.status}: ${JSON.stringify(answer.error)}`);
    }
    return answer.data;
}

const alert: components["schemas"]["Alert"] = {
    rule: "Terminal shell in container",
    priority: "Notice",
    time: "2026-01-30T10:00:00.123456789Z",
    output: "A shell, \"quoted\"",
    source: "syscall",
    hostname: "node-a",
    tags: ["container", "shell"],
    output_fields: { "proc.name": "bash", "proc.pid": 7, "user.name": null },
    uuid: "00000000-0000-0000-0000-000000000000",
};
const posted = await client.POST("/api/v1/events", { body: alert, parseAs: "text" });
const page = got(await client.GET("/api/v1/events", { params: { query: { limit: 10, order: "asc" } } }));
const cursor = page.items[0].cursor;
const one = got(await client.GET("/api/v1/events/{cursor}", { params: { path: { cursor } } }));
const rule: string | undefined = one.event.rule;
const facets = got(await client.GET("/api/v1/facets", { params: { query: { fields: "rule,proc.name" } } }));
const values = facets.facets.map((facet) => facet.values.map((value) => [value.value, value.count]));
const status = got(await client.GET("/api/v1/status"));
console.log(JSON.stringify({
    posted: posted.response.status, sent: alert, event: one.event, rule, values,
    received: status.alerts_received, items: page.items.length,
}));
