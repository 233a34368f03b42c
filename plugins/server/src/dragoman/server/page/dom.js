// Elements are made, and texts are set: nothing that a model or a server says is ever read as HTML.

export function find(id) {
  return document.getElementById(id);
}

/** el("p", {className: "note"}, "text", child): properties of the element, then its contents. */
export function el(name, properties = {}, ...contents) {
  const made = document.createElement(name);
  Object.assign(made, properties);
  made.append(...contents.filter((one) => one !== null && one !== undefined));
  return made;
}

/** Fences and backquotes of a text become code; everything else is left as it is, line breaks too. */
export function prose(text) {
  const parts = [];
  let lines = [];
  let language = null;
  const flush = () => {
    if (language !== null) parts.push(block(language, lines.join("\n")));
    else if (lines.some((line) => line.trim())) parts.push(el("div", {className: "text"}, ...inline(lines.join("\n"))));
    lines = [];
  };
  for (const line of text.split("\n")) {
    const fence = /^ {0,3}```([^`]*)$/.exec(line);
    if (!fence || (language !== null && fence[1].trim())) lines.push(line);
    else {
      flush();
      language = language === null ? fence[1].trim() : null;
    }
  }
  flush();
  return parts;
}

function block(language, body) {
  const code = el("pre", {tabIndex: 0}, el("code", {}, body));
  return el("figure", {className: "code"}, language ? el("figcaption", {}, language) : null, code);
}

function inline(text) {
  return text.replace(/^\n+|\n+$/g, "").split(/(`[^`\n]+`)/).filter(Boolean).map((part) =>
    part.length > 2 && part.startsWith("`") && part.endsWith("`") ? el("code", {}, part.slice(1, -1)) : part);
}

/** JSON for people: long strings shortened, as the gateway shortens those of the wire. */
export function laidOut(value) {
  const shorten = (_, item) =>
    typeof item === "string" && item.length > 4000 ? `${item.slice(0, 200)}… (${item.length} characters)` : item;
  return JSON.stringify(value, shorten, 2);
}
