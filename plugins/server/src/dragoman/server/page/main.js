// The page: settings, the composer, and one conversation.

import {advice, listModels, readSettings} from "./api.js";
import {Chat} from "./chat.js";
import {el, find} from "./dom.js";
import {Images, imagesOf} from "./images.js";
import {toolsOf} from "./tools.js";
import {WirePanel} from "./wire.js";

const KEY = "dragoman-key";
const OTHER = "\u0000";
/** What a request has beside its images and its history, at most. */
const MARGIN = 65536;

const settings = await readSettings().catch(() => ({needs_key: true, max_body_bytes: 2 ** 20, shows_wires: true}));
const wires = new WirePanel(settings.shows_wires);
const chat = new Chat(find("log"), wires, options, {busy, said});
const images = new Images(find("images"), note, () => settings.max_body_bytes - chat.size - MARGIN);

function note(text) {
  find("note").textContent = text;
}

function said(text) {
  find("status").textContent = text;
}

function busy(is) {
  find("send").hidden = is;
  find("stop").hidden = !is;
  find("retry").disabled = is || !chat.canRetry;
}

function numberOf(id) {
  const value = find(id).valueAsNumber;
  return Number.isNaN(value) ? undefined : value;
}

function modelName() {
  const chosen = find("model").value;
  return chosen === OTHER ? find("model-name").value.trim() : chosen;
}

/** What the form says, as a request without the conversation. Throws an Error for what cannot be asked. */
function options() {
  const request = {model: modelName(), stream: true, stream_options: {include_usage: true}};
  const system = find("system").value.trim();
  if (system) request.messages = [{role: "system", content: system}];
  const tools = toolsOf(find("demo-tools").checked, find("own-tools").value);
  if (tools.length) request.tools = tools;
  const numbers = {temperature: numberOf("temperature"), max_tokens: numberOf("max-tokens")};
  Object.assign(request, JSON.parse(JSON.stringify(numbers)));
  const policy = find("unsupported").value;
  if (policy) request.dragoman = {on_unsupported: policy};
  return {request, key: find("key").value.trim(), limit: settings.max_body_bytes};
}

function faultOf() {
  if (!modelName()) return "Pick a model first.";
  if (!find("options").checkValidity()) return "Temperature goes from 0 to 2, and max. tokens begins at 1.";
  try {
    options();
  } catch (error) {
    return `Tools: ${error.message}`;
  }
  return "";
}

async function send(event) {
  event.preventDefault();
  const text = find("prompt").value.trim();
  const fault = faultOf();
  note(fault);
  if (fault || chat.abort || !(text || images.urls.length)) return;
  find("prompt").value = "";
  find("empty")?.remove();
  await chat.say(text, images.take());
}

async function retry() {
  const fault = faultOf();
  note(fault);
  if (!fault) await chat.retry();
}

function showModels(names) {
  const groups = Object.groupBy(names, (name) => (name.includes("/") ? name.slice(0, name.indexOf("/")) : "Named by the gateway"));
  const options = Object.entries(groups).map(([label, members]) =>
    el("optgroup", {label}, ...members.map((name) => el("option", {value: name}, name))));
  const before = modelName();
  find("model").replaceChildren(...options, el("option", {value: OTHER}, "Another name…"));
  if (names.includes(before)) find("model").value = before;
  otherModel();
}

function otherModel() {
  find("model-name").hidden = find("model").value !== OTHER;
}

async function loadModels() {
  try {
    showModels(await listModels(find("key").value.trim()));
    note("");
  } catch (failure) {
    // What was picked stays picked: a key that was mistyped is corrected, and the chat goes on.
    if (!find("model").value) showModels([]);
    note([failure.message, advice(failure)].filter(Boolean).join(" "));
  }
}

function checkTools() {
  let told = "";
  try {
    toolsOf(find("demo-tools").checked, find("own-tools").value);
  } catch (error) {
    told = error.message;
  }
  find("tools-note").textContent = told;
  find("own-tools").setAttribute("aria-invalid", String(Boolean(told)));
}

function wireUp() {
  find("composer").addEventListener("submit", send);
  find("stop").addEventListener("click", () => chat.stop());
  find("retry").addEventListener("click", retry);
  find("clear").addEventListener("click", () => chat.begin());
  find("options").addEventListener("submit", (event) => event.preventDefault());
  find("options").addEventListener("input", checkTools);
  find("model").addEventListener("change", otherModel);
  find("file").addEventListener("change", async ({target}) => {
    await images.add([...target.files]);
    target.value = "";
  });
  find("prompt").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    find("composer").requestSubmit();
  });
  find("key").addEventListener("change", async ({target}) => {
    sessionStorage.setItem(KEY, target.value.trim());
    await loadModels();
  });
}

function takeFiles() {
  document.addEventListener("paste", async (event) => {
    const found = imagesOf(event.clipboardData);
    if (!found.length) return;
    event.preventDefault();
    await images.add(found);
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    await images.add([...(event.dataTransfer?.files ?? [])]);
  });
}

find("key").value = sessionStorage.getItem(KEY) ?? "";
find("key-field").hidden = !settings.needs_key;
if (matchMedia("(max-width: 60rem)").matches) for (const id of ["settings", "wire"]) find(id).open = settings.needs_key && id === "settings";
wireUp();
takeFiles();
await loadModels();
busy(false);
