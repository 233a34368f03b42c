// What the conversation looks like.

import {advice} from "./api.js";
import {el, prose} from "./dom.js";

function turn(role, name, ...contents) {
  return el("article", {className: `turn ${role}`, ariaLabel: name}, el("h2", {}, name), ...contents);
}

export function userTurn(text, images) {
  const pictures = images.map((part) => el("img", {src: part.image_url.url, alt: "Attached image"}));
  return turn("user", "You", pictures.length ? el("div", {className: "images"}, ...pictures) : null, ...prose(text));
}

/** An answer on the screen; `draw` shows what it has by now, at most once in a frame. */
export class AnswerView {
  constructor(answer, model) {
    this.answer = answer;
    this.thoughts = el("details", {className: "thoughts", hidden: true}, el("summary", {}, "Reasoning"));
    this.thoughts.append((this.thought = el("div", {className: "text"})));
    this.body = el("div", {className: "body", ariaBusy: "true"}, el("span", {className: "waiting"}, "…"));
    this.calls = el("div", {className: "calls"});
    this.facts = el("dl", {className: "facts"});
    this.element = turn("assistant", model, this.thoughts, this.body, this.calls, this.facts);
    this.frame = 0;
  }

  draw() {
    this.frame ||= requestAnimationFrame(() => this.#now());
  }

  #now() {
    this.frame = 0;
    const {answer} = this;
    this.thoughts.hidden = !answer.reasoning;
    this.thought.textContent = answer.reasoning;
    const text = answer.text || answer.refusal;
    if (text || answer.ended !== null) this.body.replaceChildren(...prose(text));
    this.facts.replaceChildren(...answer.facts().map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  }

  end() {
    cancelAnimationFrame(this.frame);
    this.#now();
    this.body.ariaBusy = "false";
  }
}

/** A call that was answered here: what was asked, and what came out. */
export function answeredCall(call, result) {
  return el("section", {className: "call"}, callHead(call), el("pre", {tabIndex: 0, className: "result"}, result));
}

/** A call for the user to answer; `done(text)` is told the answer once. */
export function openCall(call, done) {
  const id = `answer-${crypto.randomUUID()}`;
  const field = el("textarea", {id, rows: 3, placeholder: '{"degrees": 21}'});
  const button = el("button", {type: "submit"}, "Answer the call");
  const label = el("label", {htmlFor: id}, `What ${call.function.name} returns`);
  const form = el("form", {className: "by-hand"}, label, field, button);
  const section = el("section", {className: "call open"}, callHead(call), form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    section.replaceWith(answeredCall(call, field.value));
    done(field.value);
  });
  return section;
}

function callHead(call) {
  return el("p", {}, "Calls ", el("code", {}, `${call.function.name}(${call.function.arguments})`));
}

/** A failure, and what can be done about it. */
export function failureView(failure) {
  const told = [failure.status ? `HTTP ${failure.status}` : "", failure.code].filter(Boolean).join(" · ");
  const hint = advice(failure);
  return el(
    "div",
    {className: "failure", role: "alert"},
    told ? el("p", {className: "kind"}, told) : null,
    el("p", {className: "text"}, failure.message),
    hint ? el("p", {className: "hint"}, hint) : null,
  );
}

export function remark(text) {
  return el("p", {className: "remark"}, text);
}
