// The openai package as it is, pointed at the server: prints what it got as one line of JSON.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "unused", maxRetries: 0 });
const messages = [{ role: "user", content: "Hi!" }];
const asked = { model: "llamacpp/demo", max_tokens: 12, seed: 1, temperature: 0 };

const whole = await client.chat.completions.create({ ...asked, messages });

let streamed = "";
let finish = null;
for await (const chunk of await client.chat.completions.create({ ...asked, messages, stream: true })) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
  finish = chunk.choices[0]?.finish_reason ?? finish;
}

const helper = client.chat.completions.stream({ ...asked, messages });
const final = await helper.finalChatCompletion();

const { data, response } = await client.chat.completions.create({ ...asked, messages }).withResponse();

const numbers = { a: { type: "integer" }, b: { type: "integer" } };
const parameters = { type: "object", properties: numbers, required: ["a", "b"] };
const tools = [{ type: "function", function: { name: "add", parameters } }];
const called = await client.chat.completions.create({
  ...asked, max_tokens: 200, tools, messages: [{ role: "user", content: 'Call add with {"a": 2, "b": 3}.' }],
});

const failures = {};
for (const model of ["nobody/model", "llamacpp/demo"]) {
  try {
    await client.chat.completions.create({ model, messages: model === "nobody/model" ? messages : "no list" });
  } catch (error) {
    failures[model] = { kind: error.constructor.name, status: error.status, code: error.code };
  }
}

const abort = new AbortController();
const stopped = await client.chat.completions.create({ ...asked, messages, stream: true }, { signal: abort.signal });
for await (const chunk of stopped) { if (chunk) abort.abort(); }

console.log(JSON.stringify({
  whole: whole.choices[0].message.content, usage: whole.usage.total_tokens, streamed, finish,
  helper: final.choices[0].message.content, raw: data.choices[0].message.content,
  id: response.headers.get("x-request-id"), tool: called.choices[0].message.tool_calls?.[0]?.function, failures,
}));
