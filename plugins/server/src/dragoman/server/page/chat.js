// A conversation: its history, one answer after the other, and the tools' results between them.

import {Answer} from "./answer.js";
import {Failure, streamChat} from "./api.js";
import {answerTo, runsHere} from "./tools.js";
import {AnswerView, answeredCall, failureView, openCall, remark, userTurn} from "./view.js";

/** Answers in a row without the user: a model that calls and calls is stopped. */
const MOST_ROUNDS = 20;

export class Chat {
  /** `options()` gives the request without its messages, and the key; `show` is the page's part of it. */
  constructor(log, wires, options, show) {
    Object.assign(this, {log, wires, options, show, history: [], turns: [], abort: null});
  }

  begin() {
    this.stop();
    this.abort = null;
    this.history = [];
    this.turns = [];
    this.log.replaceChildren();
    this.show.busy(false);
  }

  get size() {
    return JSON.stringify(this.history).length;
  }

  get canRetry() {
    return !this.abort && this.history.some(({role}) => role === "user");
  }

  async say(text, images) {
    const parts = [...images, ...(text ? [{type: "text", text}] : [])];
    this.history.push({role: "user", content: images.length ? parts : text});
    this.#add(userTurn(text, images));
    await this.#run();
  }

  /** Forget all that came after the user's last message, and ask again. */
  async retry() {
    const last = this.history.findLastIndex(({role}) => role === "user");
    this.history.length = last + 1;
    const shown = this.turns.findLastIndex((one) => one.classList.contains("user"));
    for (const one of this.turns.splice(shown + 1)) one.remove();
    await this.#run();
  }

  stop() {
    this.abort?.abort();
  }

  #add(element) {
    const near = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 120;
    this.turns.push(element);
    this.log.append(element);
    if (near || element.classList.contains("user")) this.log.scrollTop = this.log.scrollHeight;
  }

  async #run() {
    const abort = (this.abort = new AbortController());
    this.show.busy(true);
    try {
      for (let round = 0; round < MOST_ROUNDS; round++) {
        const calls = await this.#ask(abort.signal);
        if (!calls.length) return;
        await this.#answer(calls, abort.signal);
      }
      this.#add(remark(`Stopped after ${MOST_ROUNDS} answers in a row.`));
    } catch (error) {
      // Calls that nobody answered cannot stand in a history.
      if (this.abort === abort && this.history.at(-1)?.tool_calls) this.history.pop();
      if (abort.signal.aborted) this.#stopped(abort);
      else this.#add(failureView(error instanceof Failure ? error : new Failure(String(error.message ?? error))));
    } finally {
      if (this.abort === abort) {
        this.abort = null;
        this.show.busy(false);
      }
    }
  }

  #stopped(abort) {
    if (this.abort === abort && this.turns.length) this.#add(remark("Stopped."));
  }

  /** One request. Returns the calls that its answer makes. */
  async #ask(signal) {
    const {request, key, limit} = this.options();
    const whole = {...request, messages: [...(request.messages ?? []), ...this.history]};
    const content = JSON.stringify(whole);
    if (new TextEncoder().encode(content).length > limit) throw new Failure("The conversation is larger than the gateway takes.", {status: 413});
    const exchange = this.wires.begin(whole);
    const answer = new Answer();
    const view = new AnswerView(answer, request.model);
    this.#add(view.element);
    try {
      await streamChat(content, key, signal, {
        wires: (wires) => this.wires.update(exchange, {wires}),
        chunk: (chunk) => this.#grow(answer, view, chunk),
      });
    } catch (error) {
      if (error.wires) this.wires.update(exchange, {wires: error.wires});
      // What came before is kept on the screen; half an answer is no part of the history.
      if (!answer.text && !answer.reasoning && !answer.calls.length) view.element.remove();
      throw error;
    } finally {
      answer.end();
      view.end();
    }
    this.wires.update(exchange, {ledger: answer.ledger});
    this.history.push(answer.message());
    this.current = view;
    this.show.said(`${request.model} has answered.`);
    return answer.calls;
  }

  #grow(answer, view, chunk) {
    answer.add(chunk);
    view.draw();
    const {log} = this;
    if (log.scrollHeight - log.scrollTop - log.clientHeight < 120) log.scrollTop = log.scrollHeight;
  }

  /** Answer all calls: those of this page's tools at once, the others when the user has. */
  async #answer(calls, signal) {
    const open = calls.filter((call) => !runsHere(call)).length;
    if (open) this.show.said(`${open} ${open > 1 ? "calls wait" : "call waits"} for your answer.`);
    const results = await Promise.all(calls.map((call) => this.#result(call, signal)));
    calls.forEach((call, at) => this.history.push({role: "tool", tool_call_id: call.id, content: results[at]}));
  }

  #result(call, signal) {
    if (runsHere(call)) {
      const result = answerTo(call);
      this.current.calls.append(answeredCall(call, result));
      return result;
    }
    return new Promise((resolve, reject) => {
      const form = openCall(call, resolve);
      this.current.calls.append(form);
      this.log.scrollTop = this.log.scrollHeight;
      form.querySelector("textarea").focus();
      signal.addEventListener("abort", () => {
        form.classList.remove("open");
        for (const field of form.querySelectorAll("textarea, button")) field.disabled = true;
        reject(signal.reason);
      });
    });
  }
}
