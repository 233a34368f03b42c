// Asks the gateway: settings, models, and chats as streams of OpenAI's chunks.

/** A failure in words. `status` 0: there was no answer. */
export class Failure extends Error {
  constructor(message, {status = 0, code = "", wait = "", wires = null} = {}) {
    super(message);
    Object.assign(this, {status, code, wait, wires});
  }
}

function headersOf(key, more = {}) {
  return key ? {...more, authorization: `Bearer ${key}`} : more;
}

async function ask(path, options) {
  try {
    return await fetch(path, {credentials: "omit", redirect: "error", ...options});
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("The gateway cannot be reached. Does it still run?");
  }
}

async function failureOf(answer) {
  let body = null;
  try {
    body = await answer.json();
  } catch {
    // Whatever stands between this page and the gateway need not speak JSON.
  }
  const error = body?.error ?? {};
  const told = {status: answer.status, code: String(error.code ?? ""), wait: answer.headers.get("retry-after") ?? ""};
  return new Failure(error.message ?? `HTTP ${answer.status}`, {...told, wires: body?.dragoman?.wires ?? null});
}

export async function readSettings() {
  const answer = await ask("page/settings.json", {});
  if (!answer.ok) throw await failureOf(answer);
  return answer.json();
}

export async function listModels(key) {
  const answer = await ask("v1/models", {headers: headersOf(key)});
  if (!answer.ok) throw await failureOf(answer);
  return (await answer.json()).data.map((model) => model.id);
}

/**
 * Streams one answer. `on.wires(list)` is told what went to the provider, `on.chunk(chunk)` what comes back.
 * Throws a Failure, or an AbortError when `signal` ended it.
 */
export async function streamChat(content, key, signal, on) {
  const headers = headersOf(key, {"content-type": "application/json", "x-dragoman-wire": "1"});
  const answer = await ask("v1/chat/completions", {method: "POST", headers, body: content, signal});
  if (!answer.ok) throw await failureOf(answer);
  let whole = false;
  for await (const event of events(answer.body)) {
    if (event.comment?.startsWith("dragoman ")) on.wires(JSON.parse(event.comment.slice(9)).wires);
    if (event.data === "[DONE]") whole = true;
    else if (event.data) take(JSON.parse(event.data), on);
  }
  if (!whole) throw new Failure("The answer broke off before its end.");
}

function take(chunk, on) {
  if (chunk.error) throw new Failure(chunk.error.message ?? "The provider failed.", {code: String(chunk.error.code ?? "")});
  on.chunk(chunk);
}

/** Server-sent events of a body: `{data}`, and `{comment}` for lines that begin with a colon. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  let data = [];
  while (true) {
    const {value, done} = await read(reader);
    waiting += value ?? "";
    const lines = waiting.split(/\r\n|\n|\r(?!$)/);
    waiting = done ? "" : lines.pop();
    for (const line of lines) {
      if (line === "" && data.length) {
        yield {data: data.join("\n")};
        data = [];
      } else if (line.startsWith(":")) yield {comment: line.slice(1).trimStart()};
      else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
    }
    if (done) return;
  }
}

async function read(reader) {
  try {
    return await reader.read();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("The connection to the gateway broke before the end of the answer.");
  }
}

/** What a user can do about a failure. */
export function advice(failure) {
  if (failure.status === 401) return "Enter the gateway's key under Settings, and retry.";
  if (failure.status === 404 && failure.code === "model_not_found") return "Pick another model, or install the package that is named.";
  if (failure.status === 413) return "Begin a new chat, or attach smaller images.";
  if (failure.status === 429) return failure.wait ? `Retry in ${failure.wait} s.` : "Retry in a moment.";
  return "";
}
