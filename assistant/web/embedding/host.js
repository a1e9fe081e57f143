// A button on a publisher's page, and the panel that it opens: the chat about one article, in a frame. Quoted words that
// the reader opens there light up in the publisher's own text. Nothing is asked of the server before the panel is opened,
// nothing is stored, and the page's layout, scripts and styles are left alone.

const script = document.currentScript;
const HOME = new URL(script.src).origin;
const { article, label = "Ask about this article" } = script.dataset;
const LOOK = ["accent", "on-accent", "background", "text", "mark", "font"];
const NAME = "article-assistant";
let lit; // Whether the page knows what a highlight looks like

function sheet(rules) {
  const made = new CSSStyleSheet();
  made.replaceSync(rules);
  return made;
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// Important rules in a shadow tree go before those of the page. A second button stands above the first.
const rules = (number) => `
  :host { all: initial !important; color-scheme: light dark !important; }
  @media print { :host { display: none !important; } }
  * { box-sizing: border-box; font: 600 1rem/1.2 var(--assistant-font, system-ui, sans-serif); }
  button { position: fixed; right: 1rem; bottom: ${1 + 3.5 * number}rem; z-index: 2147483647; max-width: calc(100vw - 2rem); min-height: 44px; padding: 0.5rem 1.1rem;
    border: 1px solid transparent; border-radius: 1.4rem; background: var(--assistant-accent, #4338ca); color: var(--assistant-on-accent, #fff); cursor: pointer; box-shadow: 0 2px 8px rgb(0 0 0 / 30%); }
  button:has(+ dialog[open]) { opacity: 0; }
  button:focus-visible { outline: 3px solid var(--assistant-accent, #4338ca); outline-offset: 3px; box-shadow: 0 0 0 3px #fff; }
  dialog { position: fixed; inset: auto 0 0 auto; width: 100vw; max-width: none; height: 65dvh; max-height: none; margin: 0; padding: 0; overflow: hidden;
    border: 1px solid #8886; background: var(--assistant-background, Canvas); box-shadow: 0 0 24px rgb(0 0 0 / 30%); }
  dialog[open] { display: flex; flex-direction: column; }
  dialog::backdrop { background: none; }
  p { display: flex; align-items: center; justify-content: space-between; margin: 0; padding-left: 0.75rem; color: var(--assistant-text, CanvasText); }
  dialog button { position: static; border: 0; border-radius: 0; background: none; color: inherit; box-shadow: none; text-decoration: underline; }
  dialog button:focus-visible { outline-offset: -4px; outline-color: currentcolor; box-shadow: none; }
  iframe { flex: 1; width: 100%; min-height: 0; border: 0; }
  @media (min-width: 35rem) { dialog { inset: auto 1rem 1rem auto; width: 25rem; height: min(44rem, 100dvh - 2rem); border-radius: 0.75rem; } }
  @media (min-width: 35rem) and (max-height: 30rem) { dialog { inset: 0 0 auto auto; height: 100dvh; border-radius: 0; } }`;

function start() {
  const others = [...document.querySelectorAll(NAME)];
  if (others.some((other) => other.dataset.article === article)) return;
  const host = element(NAME);
  host.dataset.article = article;
  const root = host.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = [sheet(rules(others.length))];
  const opener = element("button", { type: "button", textContent: label, ariaHasPopup: "dialog", ariaExpanded: "false" });
  const closer = element("button", { type: "button", textContent: "Close" });
  const frame = element("iframe", { title: "Article assistant", allow: "clipboard-write" });
  const dialog = element("dialog", { ariaLabel: label }, element("p", {}, label, closer), frame);
  root.append(opener, dialog);
  const look = (name) => getComputedStyle(host).getPropertyValue(`--assistant-${name}`).trim();
  const tell = (message) => frame.contentWindow.postMessage(message, HOME);

  opener.addEventListener("click", () => {
    const scheme = /^(light|dark)$/.test(look("scheme")) ? look("scheme") : "";
    dialog.style.colorScheme = scheme;
    const theme = scheme && { __theme: scheme }; // Gradio's own name
    if (!frame.src) frame.src = `${HOME}/embed?${new URLSearchParams({ article, site: location.origin, ...theme })}`;
    dialog.showModal(); // It keeps the focus, closes with Escape and gives the focus back.
    opener.ariaExpanded = "true";
  });
  closer.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", ({ target }) => { if (target === dialog) dialog.close(); }); // Beside the panel
  dialog.addEventListener("close", () => { opener.ariaExpanded = "false"; });
  addEventListener("message", ({ data, origin, source }) => {
    if (origin !== HOME || !source || source !== frame.contentWindow) return;
    if (data?.assistant === "close") dialog.close();
    else if (data?.assistant === "cite") tell({ assistant: "cited", number: data.number, found: light(data, dialog) });
    else if (data?.assistant === "ready") {
      tell({ assistant: "hello", look: Object.fromEntries(LOOK.map((name) => [name, look(name)])) });
      if (root.activeElement === closer) frame.focus();
    }
  });
  document.body.append(host);
}

function light(quotation, dialog) {
  CSS.highlights?.delete(NAME);
  const ranges = rangesOf(quotation);
  if (!ranges.length) return false;
  if (!CSS.highlights) {
    dialog.close(); // While it is open, the browser finds no words in the page.
    location.replace(fragment(ranges));
    return true;
  }
  CSS.highlights.set(NAME, new Highlight(...ranges));
  lit ??= document.adoptedStyleSheets.push(sheet(`::highlight(${NAME}) { background-color: var(--assistant-mark, #fcd34d); color: #1c1917; text-decoration: underline; }`));
  ranges[0].startContainer.parentElement.scrollIntoView({ block: "nearest", behavior: "instant" });
  // A fifth from the top it is above the panel of a phone, and below the head of most pages.
  scrollBy({ top: ranges[0].getBoundingClientRect().top - innerHeight / 5, behavior: "instant" });
  return true;
}

// The words as a text fragment, by their beginning and end: browsers without highlights light that up by themselves.
function fragment(ranges) {
  const { endContainer, endOffset } = ranges.at(-1);
  const whole = ranges[0].cloneRange();
  whole.setEnd(endContainer, endOffset);
  const words = String(whole).trim().split(/\s+/);
  const ends = words.length > 8 ? [words.slice(0, 4), words.slice(-4)] : [words];
  return `#:~:text=${ends.map((end) => encodeURIComponent(end.join(" ")).replaceAll("-", "%2D")).join()}`;
}

// In somebody else's frame, or on a site that is not on the list, there is nothing.
if (self === top && SITES.includes(location.origin) && article) {
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
  else start();
}
