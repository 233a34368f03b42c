// The panel that shows what was asked, what went to the provider, and what was adapted.

import {el, find, laidOut} from "./dom.js";

const MOST = 50;

export class WirePanel {
  constructor(allowed) {
    this.allowed = allowed;
    this.exchanges = [];
    this.count = 0;
    this.choice = find("exchange");
    this.choice.addEventListener("change", () => this.#show());
  }

  /** Begin with a request; what is told of it later is put into what this returns. */
  begin(request) {
    const exchange = {number: ++this.count, request, wires: null, ledger: null};
    this.exchanges = [...this.exchanges, exchange].slice(-MOST);
    this.choice.replaceChildren(...this.exchanges.map(({number, request: {model}}) => el("option", {value: number}, `${number}: ${model}`)));
    this.choice.value = String(exchange.number);
    find("no-exchange").hidden = true;
    find("exchanges").hidden = false;
    this.#show();
    return exchange;
  }

  update(exchange, told) {
    Object.assign(exchange, told);
    if (this.choice.value === String(exchange.number)) this.#show();
  }

  #show() {
    const exchange = this.exchanges.find(({number}) => String(number) === this.choice.value);
    if (!exchange) return;
    find("exchange-view").replaceChildren(
      section("OpenAI's request", "asked", el("p", {className: "line"}, "POST /v1/chat/completions"), json(exchange.request)),
      ledgerView(exchange),
      ...this.#wires(exchange),
    );
  }

  #wires({wires}) {
    if (!this.allowed) return [section("The provider's wire", "sent", hint("This gateway does not show it (show_wire)."))];
    if (wires === null) return [section("The provider's wire", "sent", hint("Nothing is known of it yet."))];
    if (!wires.length) return [section("The provider's wire", "sent", hint("No provider was asked."))];
    return wires.map((wire, at) => wireView(wire, wires.length > 1 ? `, attempt ${at + 1}` : ""));
  }
}

function wireView(wire, which) {
  const line = el("p", {className: "line"}, `${wire.method} ${wire.path}`);
  const size = hint(`${wire.bytes.toLocaleString("en")} bytes to ${wire.provider}`);
  const body = wire.body === null ? hint("The body is too long to show, or no JSON.") : json(wire.body);
  return section(`The provider's wire${which}`, "sent", line, size, body);
}

/** Each wire tells of its own; the answer tells of what was known in the end. */
function ledgerView({wires, ledger}) {
  const all = [...(wires ?? []), ledger ?? {}];
  const dropped = new Set(all.flatMap((one) => one.dropped ?? []));
  const adapted = new Map(all.flatMap((one) => Object.entries(one.adapted ?? {})));
  const rows = [
    ...[...adapted].map(([name, how]) => el("li", {}, el("code", {}, name), ` adapted: ${how}`)),
    ...[...dropped].map((name) => el("li", {}, el("code", {}, name), " left out")),
  ];
  const known = ledger !== null || Boolean(wires?.length);
  const nothing = hint(known ? "Nothing: every parameter was sent, or has an exact equivalent." : "Nothing is known of it.");
  return section("What was adapted", "adapted", rows.length ? el("ul", {}, ...rows) : nothing);
}

function section(title, kind, ...contents) {
  return el("section", {className: kind}, el("h3", {}, title), ...contents);
}

function json(value) {
  return el("pre", {tabIndex: 0}, laidOut(value));
}

function hint(text) {
  return el("p", {className: "hint"}, text);
}
