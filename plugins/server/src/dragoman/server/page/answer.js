// One answer in the making: chunks are added, and in the end it is a message of the history.

export class Answer {
  constructor() {
    this.text = "";
    this.reasoning = "";
    this.refusal = "";
    this.calls = [];
    this.extra = {};
    this.usage = null;
    this.finish = "";
    this.started = performance.now();
    this.first = null;
    this.ended = null;
  }

  add(chunk) {
    if (chunk.usage) this.usage = chunk.usage;
    for (const choice of chunk.choices ?? []) {
      if (choice.index) continue;
      if (choice.finish_reason) this.finish = choice.finish_reason;
      this.#take(choice.delta ?? {});
    }
  }

  #take(delta) {
    const thought = delta.reasoning_content ?? delta.reasoning;
    if (typeof thought === "string") this.reasoning += thought;
    this.text += delta.content ?? "";
    this.refusal += delta.refusal ?? "";
    for (const fragment of delta.tool_calls ?? []) this.#call(fragment);
    Object.assign(this.extra, delta.extra_content ?? {});
    if (this.first === null && (thought || delta.content || delta.tool_calls?.length)) this.first = performance.now();
  }

  #call({index = 0, id, function: told = {}}) {
    const call = (this.calls[index] ??= {id: "", type: "function", function: {name: "", arguments: ""}});
    if (id) call.id = id;
    if (told.name) call.function.name = told.name;
    call.function.arguments += told.arguments ?? "";
  }

  end() {
    this.ended = performance.now();
    this.calls = this.calls.filter(Boolean);
  }

  /** OpenAI's message, with what the provider wants back. */
  message() {
    const message = {role: "assistant", content: this.text || (this.calls.length ? null : "")};
    if (this.refusal) message.refusal = this.refusal;
    if (this.calls.length) message.tool_calls = this.calls;
    if (this.reasoning) message.reasoning_content = this.reasoning;
    if (Object.keys(this.extra).length) message.extra_content = this.extra;
    return message;
  }

  /** Dropped and adapted parameters, as the answer itself tells of them. */
  get ledger() {
    return this.extra.dragoman ?? {};
  }

  /** What there is to say of it, as pairs of a name and a text. */
  facts() {
    const facts = [];
    if (this.finish) facts.push(["finish_reason", this.finish]);
    if (this.first !== null) facts.push(["first token", seconds(this.first - this.started)]);
    if (this.ended !== null) facts.push(["in all", seconds(this.ended - this.started)]);
    return facts.concat(this.#counts());
  }

  #counts() {
    const usage = this.usage;
    if (!usage) return this.ended === null ? [] : [["usage", "not told"]];
    const facts = [["prompt", `${usage.prompt_tokens ?? 0} tokens`], ["answer", `${usage.completion_tokens ?? 0} tokens`]];
    const cached = usage.prompt_tokens_details?.cached_tokens;
    const thought = usage.completion_tokens_details?.reasoning_tokens;
    if (cached) facts.push(["cached", `${cached} tokens`]);
    if (thought) facts.push(["reasoning", `${thought} tokens`]);
    return facts;
  }
}

function seconds(milliseconds) {
  return `${(milliseconds / 1000).toFixed(milliseconds < 10000 ? 2 : 1)} s`;
}
