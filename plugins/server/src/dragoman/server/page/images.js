// Images for the next message: picked, pasted or dropped; kept as data URLs within the gateway's bound.

import {el} from "./dom.js";

const TYPES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

export class Images {
  /** `list` shows them; `tell(text)` says what is wrong; `room()` is how many bytes a request has left. */
  constructor(list, tell, room) {
    this.list = list;
    this.tell = tell;
    this.room = room;
    this.urls = [];
  }

  async add(files) {
    this.tell("");
    for (const file of files) {
      if (!TYPES.has(file.type)) this.tell(`${file.name || "This"} is no PNG, JPEG, GIF or WebP image.`);
      // A data URL has four characters for three bytes.
      else if ((file.size * 4) / 3 + this.size > this.room()) this.tell(`${file.name || "The image"} is too large: the gateway takes no more in one request.`);
      else this.urls.push({name: file.name, url: await dataUrl(file)});
    }
    this.#show();
  }

  get size() {
    return this.urls.reduce((sum, {url}) => sum + url.length, 0);
  }

  /** Give them as parts of a message, and begin anew. */
  take() {
    const parts = this.urls.map(({url}) => ({type: "image_url", image_url: {url}}));
    this.urls = [];
    this.#show();
    return parts;
  }

  #show() {
    this.list.replaceChildren(...this.urls.map((image) => {
      const name = image.name || "image";
      const remove = el("button", {type: "button", className: "remove", ariaLabel: `Remove ${name}`}, "×");
      remove.addEventListener("click", () => {
        this.urls = this.urls.filter((one) => one !== image);
        this.#show();
      });
      return el("li", {}, el("img", {src: image.url, alt: name}), remove);
    }));
  }
}

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

/** The images among what was pasted or dropped. */
export function imagesOf(transfer) {
  return [...(transfer?.files ?? [])].filter((file) => file.type.startsWith("image/"));
}
