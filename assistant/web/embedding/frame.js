// The chat within a publisher's page: narrow, about one article, and opened citations are shown in the page itself.

const address = new URLSearchParams(location.search);
const site = address.get("site");
const find = (selector) => document.querySelector(selector);

if (parent === self) return location.replace(`/${location.search}`); // In a tab of its own
if (parent !== top) return stop(); // A frame in a frame

// One conversation for each article, and where a browser lets a frame keep nothing, one for as long as it is there.
const memory = new Map();
const key = (name) => `${name} ${address.get("article")}`;
let kept = null;
try { kept = sessionStorage; } catch { /* It is not allowed. */ }
Object.defineProperty(self, "sessionStorage", {
  value: {
    getItem: (name) => (kept ? kept.getItem(key(name)) : memory.get(name) ?? null),
    setItem: (name, value) => (kept ? kept.setItem(key(name), value) : memory.set(name, String(value))),
    removeItem: (name) => (kept ? kept.removeItem(key(name)) : memory.delete(name)),
  },
});

// Which site asks is told with each question, for that site's budget.
const { fetch } = self;
self.fetch = (to, options) => {
  if (!String(to).includes("/queue/join")) return fetch(to, options);
  const headers = new Headers(options.headers);
  headers.set("x-assistant-site", site);
  return fetch(to, { ...options, headers });
};

// What the page may set, and Gradio's variables that follow it.
const LOOK = {
  accent: ["--button-primary-background-fill", "--button-primary-background-fill-hover"],
  "on-accent": ["--button-primary-text-color"],
  background: ["--body-background-fill", "--background-fill-primary", "--block-background-fill", "--paper"],
  text: ["--body-text-color", "--body-text-color-subdued", "--block-title-text-color"],
  mark: ["--mark", "--current"],
  font: ["--font"],
};
const style = new CSSStyleSheet();
style.replaceSync("body, body.dark {}");
document.adoptedStyleSheets.push(style);

function follow(look) {
  for (const [name, variables] of Object.entries(LOOK)) {
    const value = String(look[name] ?? "");
    if (!CSS.supports(name === "font" ? "font-family" : "color", value)) continue;
    for (const variable of variables) style.cssRules[0].style.setProperty(variable, value, "important");
  }
}

const tell = (message) => SITES.includes(site) && parent.postMessage(message, site);
let isHeard = false; // By a page that has our script
let cited = null;
let number = 0;

addEventListener("message", ({ data, origin, source }) => {
  if (source !== parent || origin !== site || !SITES.includes(origin)) return;
  if (data?.assistant === "hello") {
    isHeard = true;
    follow(data.look ?? {});
  } else if (data?.assistant === "cited" && cited && data.number === number) {
    sayWhere(data.found);
  }
});
tell({ assistant: "ready" });

// The line above the box; the next thing that happens takes its place.
function sayWhere(isFound) {
  const line = find("#status p");
  line.className = "";
  if (isFound) {
    line.textContent = "The words are lit up on the page.";
    return;
  }
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Show the article as the assistant has it";
  button.addEventListener("click", showHere);
  line.replaceChildren("These words were not found on the page. ", button);
}

function showHere() {
  document.documentElement.classList.add("reads");
  const link = cited;
  cited = null;
  link.dataset.here = "yes";
  link.click();
  delete link.dataset.here;
}

addEventListener("popstate", () => document.documentElement.classList.remove("reads"));

// The article's page has the quoted words in their place, with what stands before and after.
async function cite(link) {
  number++;
  const response = await fetch(link.href).catch(() => null);
  if (!response?.ok) {
    // Its page may stand in no frame.
    const line = find("#status p");
    line.className = "";
    line.textContent = "The article cannot be shown now. It may have been taken away.";
    return;
  }
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const marks = [...page.querySelectorAll("mark.current")];
  if (!marks.length) return showHere(); // The article has changed: its page says so.
  const around = page.createRange();
  around.selectNodeContents(page.querySelector("article"));
  around.setEndBefore(marks[0]);
  const before = String(around).slice(-100);
  around.selectNodeContents(page.querySelector("article"));
  around.setStartAfter(marks.at(-1));
  const after = String(around).slice(0, 100);
  tell({ assistant: "cite", number, quote: marks.map((mark) => mark.textContent).join("\n"), before, after });
}

// Before the chat's own script sees it
addEventListener("click", (event) => {
  const link = event.target.closest("a.cite");
  if (!link || link.dataset.here || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  cited = link;
  find("#preview")?.setAttribute("hidden", "");
  if (isHeard) cite(link);
  else showHere();
}, true);

// Escape closes the panel where nothing within it is to be closed.
addEventListener("keydown", ({ key: pressed, isComposing }) => {
  const within = find("#preview:not([hidden])") || document.activeElement?.closest("#reading, #report");
  if (pressed === "Escape" && !isComposing && !within) tell({ assistant: "close" });
}, true);

// With a keyboard one can type at once; on a phone it would cover the page.
new MutationObserver((_, observer) => {
  const box = find("#question textarea");
  if (!box) return;
  observer.disconnect();
  if (matchMedia("(hover: hover)").matches) box.focus({ preventScroll: true });
}).observe(document, { childList: true, subtree: true });
