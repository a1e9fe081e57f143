// What the chat does in the browser: the jump to the quoted words and back, suggestions, copying, the counter.
// It only ever shows text that the server has escaped, or puts text where it cannot become markup.

const TWO_PANES = matchMedia("(min-width: 800px)");
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

const find = (selector, root = document) => root.querySelector(selector);
const findAll = (selector, root = document) => [...root.querySelectorAll(selector)];
const box = () => find("#question textarea");
const picked = () => find("#picked textarea")?.value ?? ""; // The id of the article that was chosen; none for all.
const behavior = () => (CALM.matches ? "auto" : "smooth");
const isRunning = () => Boolean(find("#stop"));
// What the server says as well, and this script must know, stands in the head of the page.
const SAID = find("meta[name=chat]").dataset;
const LIMIT = Number(SAID.limit);
const COUNTED_FROM = LIMIT - 100;

// Only the text is changed, and that it is seen: the elements are Gradio's.
function say(words) {
  const line = find("#status p");
  if (!line) return;
  line.textContent = words;
  line.className = "";
}

// Gradio listens to what is typed, so this is how a value gets to it.
function type(field, value) {
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

function ask(question) {
  type(box(), question);
  // Gradio takes the value over a moment later.
  setTimeout(() => find("#send")?.click(), 50);
}

// The article

let origin = null; // The link that led to the quoted words.
let lit = "";

const reading = () => find("#article");
const isCite = (link) => link.matches("a.cite");
const spanOf = (link) => {
  const { pathname, searchParams } = new URL(link.href);
  return { pathname, start: searchParams.get("start"), end: searchParams.get("end") };
};

function addressOf(link) {
  const { pathname, searchParams } = new URL(link.href);
  const spans = findAll("a.cite", link.closest(".answer, .reply") ?? document)
    .filter((other) => other === link || !other.closest("details:not([open])")) // What is folded is not marked.
    .map(spanOf)
    .filter((span) => span.pathname === pathname);
  searchParams.set("also", [...new Set(spans.map((span) => `${span.start}-${span.end}`))].join(","));
  return `${pathname}?${searchParams}`;
}

// The page of an article has the marks in it, made by the server from the offsets.
async function load(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(String(response.status));
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

// The page takes the place of the article, or of the list, beside the conversation.
function show(page) {
  const title = find("h1", page);
  const heading = document.createElement("h2");
  heading.append(...title.childNodes);
  title.replaceWith(heading);
  const article = find("#article", page);
  reading().dataset.id = article.dataset.id;
  reading().replaceChildren(...article.childNodes);
}

// A question may mean the article that the reader chose to read, while it is shown, and not what an answer brought there.
let opened = "";

function tellOpened() {
  const field = find("#opened textarea");
  const id = reading()?.dataset.id === opened ? opened : "";
  if (field && field.value !== id) type(field, id);
}

// An article, or the list, takes its place again, unless a quotation lights up.
let beforeClear = "";
let isClearing = false;

async function turnTo(id) {
  if (!find("#picker") || reading().dataset.id === id) return;
  const page = await load(id ? `/article/${encodeURIComponent(id)}` : "/articles").catch(() => null);
  if (page && !lit) show(page);
}

// The list of articles follows what is typed into its search.
let searching = 0;

async function narrow(field) {
  const page = await load(`/articles?${new URLSearchParams({ q: field.value })}`).catch(() => null);
  if (!page || !field.isConnected) return;
  find("#count").textContent = find("#count", page).textContent;
  find("#found").replaceChildren(...find("#found", page).childNodes);
}

document.addEventListener("input", ({ target }) => {
  if (!target.matches("#article [type=search]")) return;
  clearTimeout(searching);
  searching = setTimeout(narrow, 200, target);
});

document.addEventListener("submit", (event) => {
  if (!event.target.matches("#article form")) return;
  event.preventDefault();
  narrow(find("[type=search]", event.target));
});

// An article of the list, a sentence of one, or the list. The link may be gone with what it stood in, and the focus with it.
async function open(address) {
  try {
    show(await load(address));
  } catch {
    location.assign(address);
    return;
  }
  opened = reading().dataset.id ?? "";
  const mark = find("#quote", reading());
  if (!mark) return turnToPane();
  lineUp();
  mark.focus({ preventScroll: true });
}

function turnToPane() {
  const pane = find("#reading");
  pane.focus({ preventScroll: true });
  if (TWO_PANES.matches) pane.scrollTo({ top: 0 });
  else pane.scrollIntoView();
}

// The quoted words come to a third of the height, or higher where that much room is wanted for them and the way back.
const WAY_BACK = 80;
const MARGIN = 12;

function lineUp() {
  const marks = findAll("mark.current", reading()).map((mark) => mark.getBoundingClientRect());
  // In two panes the article alone is scrolled, so that the answer stays in sight.
  const scrolled = TWO_PANES.matches ? find("#reading") : document.scrollingElement;
  const edge = TWO_PANES.matches ? scrolled.getBoundingClientRect().top : 0;
  const room = scrolled.clientHeight - (marks.at(-1).bottom - marks[0].top) - WAY_BACK;
  const place = Math.max(MARGIN, Math.min(scrolled.clientHeight / 3, room));
  scrolled.scrollTo({ top: scrolled.scrollTop + marks[0].top - edge - place, behavior: behavior() });
}

// A jump is an entry of the browser's history, so that Back, on a phone a gesture, leads back to the answer. The entry
// says which link it was, since the page may be loaded again meanwhile.
let entry = history.state;

const isJump = (state) => state?.cite !== undefined;
const replies = () => findAll("#window .reply");
const citesOf = (reply) => (reply ? findAll("a.cite", reply) : []);

async function jump(link) {
  const reply = link.closest(".reply");
  const place = { reply: replies().indexOf(reply), cite: citesOf(reply).indexOf(link) };
  if (!(await arrive(link))) return;
  // From one quotation to the next: Back still leads to the answer, and not through all of them.
  if (isJump(history.state)) history.replaceState(place, "");
  else {
    history.scrollRestoration = "manual"; // Of the entry that is left: coming back, we scroll to the link itself.
    history.pushState(place, "");
  }
  entry = place;
}

async function arrive(link) {
  try {
    show(await load(addressOf(link)));
  } catch {
    location.assign(link.href); // The page of its own says what is wrong.
    return false;
  }
  const mark = find("#quote", reading());
  if (!mark) {
    turnToPane(); // The article has changed since: its page says so, and marks nothing.
    return false;
  }
  origin = link;
  const back = document.createElement("button");
  back.type = "button";
  back.className = "back";
  back.textContent = "↩ Back to the answer";
  reading().append(back); // It stays in sight wherever the reader is in the article.
  lineUp();
  mark.focus({ preventScroll: true });
  return true;
}

const goBack = () => history.back();

function returnTo({ reply, cite }) {
  const answer = replies()[reply];
  const target = origin?.isConnected ? origin : citesOf(answer)[cite] ?? answer;
  target?.closest("details")?.setAttribute("open", "");
  origin = null;
  find("button.back")?.remove();
  target?.scrollIntoView({ block: "center", behavior: behavior() });
  target?.focus({ preventScroll: true });
}

// Where the entry of the history is a jump, the page shows its quotation again.
function jumpAgain() {
  const link = isJump(history.state) && citesOf(replies()[history.state.reply])[history.state.cite];
  if (link) arrive(link);
}

addEventListener("popstate", ({ state }) => {
  if (isJump(state)) jumpAgain();
  else if (isJump(entry)) returnTo(entry);
  entry = state;
});

// The quotations of a new answer light up beside it; neither the focus nor the answer moves. Those of another article than
// the one that was chosen since do not.
async function light() {
  const answer = findAll("#window .answer").at(-1);
  const link = answer?.matches(".answered, .quoted") ? (find(".words a.cite", answer) ?? find("a.cite", answer)) : null;
  const isOther = link && picked() && decodeURIComponent(spanOf(link).pathname) !== `/article/${picked()}`;
  const address = link && !isOther ? addressOf(link) : "";
  if (address === lit) return;
  lit = address;
  origin = null;
  if (address) {
    const page = await load(address).catch(() => null);
    if (!page || address !== lit || origin) return; // Another answer, a refusal, or the reader has come meanwhile.
    show(page);
    const mark = find("#quote", reading());
    if (mark && TWO_PANES.matches) lineUp();
  } else {
    for (const mark of findAll("mark", reading())) mark.replaceWith(...mark.childNodes);
    find("button.back")?.remove();
  }
}

// A quotation that is not open is shown where the pointer or the focus is on its number. Escape puts it away; the pointer
// may move onto it.

const preview = document.createElement("div");
preview.id = "preview";
preview.role = "tooltip";
preview.hidden = true;
document.body.append(preview);
let closing = 0;

function showPreview(link) {
  clearTimeout(closing);
  const { start, end } = spanOf(link);
  const same = findAll("li a.cite", link.closest(".answer")).find((other) => spanOf(other).start === start && spanOf(other).end === end);
  const quotation = find("blockquote", same?.closest("li"));
  if (!quotation || quotation.checkVisibility()) return; // What stands open is not shown twice.
  preview.textContent = `“${wordsOf(quotation)}”`;
  preview.hidden = false;
  find("main").append(preview); // What stands outside of it belongs to no part of the page.
  link.setAttribute("aria-describedby", "preview");
  const place = link.getBoundingClientRect();
  const left = Math.min(place.left, document.documentElement.clientWidth - preview.offsetWidth - 16);
  const below = place.bottom + preview.offsetHeight + 16 < innerHeight;
  const frame = preview.offsetParent.getBoundingClientRect();
  preview.style.left = `${Math.max(left, 16) - frame.left}px`;
  preview.style.top = `${(below ? place.bottom + 6 : place.top - preview.offsetHeight - 6) - frame.top}px`;
}

function hidePreview(delay = 0) {
  clearTimeout(closing);
  closing = setTimeout(() => {
    preview.hidden = true;
    find("[aria-describedby=preview]")?.removeAttribute("aria-describedby");
  }, delay);
}

const marker = (target) => target.closest?.(":is(.words, .context, .near) a.cite");
for (const event of ["pointerover", "focusin"]) {
  document.addEventListener(event, ({ target }) => {
    if (marker(target)) showPreview(marker(target));
    else if (target.closest?.("#preview")) clearTimeout(closing);
  });
}
for (const event of ["pointerout", "focusout"]) {
  document.addEventListener(event, ({ target }) => {
    if (marker(target) || target.closest?.("#preview")) hidePreview(200);
  });
}

// Copying and saving, as text and as Markdown

const asText = (words) => words;
const asMarkdown = (words) => words.replace(/[!-/:-@[-`{-~]/g, (sign) => (",.;:?'\"%()-/".includes(sign) ? sign : `\\${sign}`));

function wordsOf(element, escape = asText, without = ".hidden, .links") {
  if (!element) return "";
  const copy = element.cloneNode(true);
  for (const part of findAll(without, copy)) part.remove();
  for (const part of findAll("br", copy)) part.replaceWith("\n");
  return escape(copy.textContent.replaceAll("\u00a0", " ").trim()).replaceAll("\n", " ");
}

const label = () => wordsOf(find("#label"));

function quotationOf(item, escape) {
  const own = find(".links a.cite", item);
  const number = wordsOf(find("b", item), escape);
  const source = `${wordsOf(find(".source", item), escape)}: ${own.href}`;
  const words = wordsOf(find("blockquote", item), escape);
  if (!words) return `${number} ${source}`; // They are the answer.
  return escape === asMarkdown ? `> ${number} ${words}\n>\n> ${source}` : `${number} “${words}”\n${source}`.trim();
}

function answerOf(number, escape) {
  const reply = document.getElementById(`answer-${number}`);
  const parts = reply ? findAll(".headline, .before, .context, .words, .note, li", reply) : [];
  return parts.map((part) => (part.matches("li") ? quotationOf(part, escape) : wordsOf(part, escape))).join("\n\n");
}

const questionOf = (number, escape) => wordsOf(document.getElementById(`question-${number}`), escape);
const lastQuestion = () => wordsOf(findAll("#window [id^=question-]").at(-1));

async function copy(text, done) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without https there is no clipboard but this one.
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  say(done);
}

function linkTo(number, article) {
  const address = new URL("/", location.href);
  address.searchParams.set("q", questionOf(number));
  if (article) address.searchParams.set("article", article);
  return address.href;
}

// An answer is read aloud by a voice of this device: the others send its words elsewhere.

const speech = window.speechSynthesis;
let speaking = null; // The button that was pressed, and what is said.

const voice = () => speech?.getVoices().find(({ localService, lang }) => localService && lang.startsWith("en"));
const noteVoice = () => document.documentElement.classList.toggle("speaks", Boolean(voice()));
noteVoice();
speech?.addEventListener?.("voiceschanged", noteVoice);

function listen(number, button) {
  const isPressedAgain = speaking?.button === button;
  hush();
  if (isPressedAgain) return;
  const words = findAll(`#answer-${number} :is(.before, .context, .words)`).map((part) => wordsOf(part, asText, "a.cite"));
  const said = new SpeechSynthesisUtterance(words.join(" "));
  said.voice = voice();
  said.onend = () => { if (speaking?.said === said) hush(); };
  speaking = { button, said };
  button.ariaPressed = "true";
  speech.speak(said);
}

function hush() {
  speaking?.button.removeAttribute("aria-pressed");
  speaking = null;
  speech.cancel();
}

function save() {
  const numbers = findAll("#window [id^=question-]").map((question) => question.id.split("-")[1]);
  const parts = numbers.map((number) => `## ${questionOf(number, asMarkdown)}\n\n${answerOf(number, asMarkdown)}`);
  const text = `# Questions to the article assistant\n\n${label()}\n\n${parts.join("\n\n")}\n`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/markdown" }));
  link.download = "answers.md";
  link.click();
  URL.revokeObjectURL(link.href);
  say("The conversation is saved as answers.md.");
}

const press = (id) => find(`#${id}`).click();

const actions = {
  copy: (number) => copy(`${questionOf(number)}\n\n${answerOf(number)}\n\n${label()}\n`, "The answer is copied, with its quotations."),
  link: (number, article) => copy(linkTo(number, article), "The link is copied. It asks the same question again."),
  listen: (number, _, button) => listen(number, button),
  helpful: (number) => report("helpful", number),
  unhelpful: (number) => report("unhelpful", number),
  save,
  retry: () => {
    keep(lastQuestion());
    press("retry");
  },
  edit: () => press("edit"),
  keep: () => press("keep"),
  clear: () => {
    beforeClear = reading().dataset.id;
    isClearing = true;
    press("clear");
  },
  undo: () => {
    press("undo");
    turnTo(beforeClear);
  },
};

let reportedFrom = "";

function report(verdict, number) {
  // The button may be another one by then: each answer is drawn anew when the next one comes.
  reportedFrom = `#window button[name=${verdict}][value^="${number} "]`;
  // The time makes it a new value each time.
  type(find("#bridge textarea, #bridge input"), `${verdict} ${number} ${Date.now()}`);
}

// What a reader does

document.addEventListener("click", (event) => {
  const target = event.target.closest("a, button");
  if (!target) return;
  const plainly = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  if (target.matches("a.cite") && plainly) {
    event.preventDefault();
    hidePreview();
    jump(target);
  } else if (target.matches("a.open") && plainly) {
    event.preventDefault();
    open(target.href);
  } else if (target.matches('a[href="#question"]')) {
    event.preventDefault();
    box().focus();
  } else if (target.matches("button.suggestion")) {
    if (!isRunning()) ask(target.textContent);
  } else if (target.matches("button.action")) {
    if (target.closest("details")) target.closest("details").open = false;
    actions[target.name](...target.value.split(" "), target);
  } else if (target.matches("button.back")) {
    goBack();
  } else if (target.matches("#send")) {
    keep(box().value);
  } else if (target.matches("button.everywhere") && !isRunning()) {
    keep(lastQuestion());
    press("everywhere");
  }
  // A button that a key was pressed on may be gone in a moment, and the focus with it.
  const isGoing = event.detail === 0 && target.matches("#send, #stop, [name=retry], [name=keep], button.suggestion, button.everywhere");
  if (isGoing || target.matches("button:is([name=edit], [name=clear], [name=undo])")) box().focus();
});

// A menu closes when the reader goes elsewhere.
for (const event of ["pointerdown", "focusin"]) {
  document.addEventListener(event, ({ target }) => {
    for (const menu of findAll("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
  });
}

// Before Gradio sees the key and empties the box.
document.addEventListener("keydown", ({ key, shiftKey, isComposing, target }) => {
  if (key === "Enter" && !shiftKey && !isComposing && target === box()) keep(box().value);
}, true);

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = find("details.menu[open]");
  if (menu) {
    menu.open = false;
    find("summary", menu).focus();
  } else if (!preview.hidden) hidePreview();
  else if (origin && document.activeElement?.closest("#reading") && !document.activeElement.closest("#picker")) goBack();
});

const inCharacters = (count) => `${count} character${count === 1 ? "" : "s"}`;

document.addEventListener("input", ({ target }) => {
  if (target !== box()) return;
  const length = [...target.value.trim().replace(/\s+/g, " ")].length;
  const counter = find("#counter");
  const [excess, left] = [length - LIMIT, LIMIT - length];
  counter.textContent = excess > 0 ? `${inCharacters(excess)} too many.` : length >= COUNTED_FROM ? `${inCharacters(left)} left.` : "";
  counter.classList.toggle("full", length >= COUNTED_FROM);
});

// A question that was asked is kept until its answer is there. When nothing comes any more, the reader is told, and finds
// the question in the box: at once, and after the page was loaded again.

const KEPT = "question";
const LOOK_MS = 2000;
const SILENT_MS = 20000; // The server says something every second.
let watch = 0;
let hasBegun = false;
let before = "";
let seen = "";
let seenAt = 0;

const statusLine = () => find("#status p")?.textContent ?? "";

function keep(question) {
  if (question.trim() && !isRunning()) watchFor(question);
}

function watchFor(question) {
  sessionStorage.setItem(KEPT, question);
  hasBegun = false;
  before = statusLine();
  seenAt = Date.now();
  clearInterval(watch);
  watch = setInterval(look, LOOK_MS);
}

function noteSigns() {
  if (!watch) return;
  const refusal = find("[data-testid=toast-text]");
  if (refusal?.textContent.includes(SAID.busy) && !hasBegun) {
    // The door was shut before the question was taken up. The line above the box is where readers look, and it stays.
    say(refusal.textContent);
    find("[data-testid=toast-close]")?.click();
    rest();
    return;
  }
  const now = [statusLine(), find("#progress p")?.textContent, findAll("#window [data-testid=bot]").at(-1)?.textContent].join();
  if (now !== seen) seenAt = Date.now();
  seen = now;
  hasBegun ||= isRunning();
  if (hasBegun && !isRunning()) rest();
}

function rest() {
  clearInterval(watch);
  watch = 0;
  sessionStorage.removeItem(KEPT);
  find("#lost")?.remove();
}

async function look() {
  const isUp = await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(LOOK_MS) }).then(({ ok }) => ok, () => false);
  const silence = Date.now() - seenAt;
  // A refusal may have come so fast that the page was never seen running.
  if (!isRunning() && statusLine() !== before && silence > LOOK_MS / 2) rest();
  else if (isUp && find("#lost")?.dataset.isDown) location.reload();
  else if (!isUp && silence > LOOK_MS) tellLost(true);
  else if (silence > SILENT_MS) tellLost(false);
}

// What the line above the box said while there was a connection
let stood = "";

addEventListener("offline", () => {
  stood = statusLine();
  say(SAID.offline);
});

addEventListener("online", () => {
  // What was on its way does not get through any more; the page that is loaded again finds the answer, or the question.
  if (watch) location.reload();
  else if (statusLine() === SAID.offline) say(stood);
});

function tellLost(isDown) {
  if (find("#lost")) return;
  const note = document.createElement("p");
  note.id = "lost";
  note.role = "alert";
  note.textContent = isDown
    ? "The connection is lost. Your question is kept; the page goes on when the connection is back."
    : "No answer gets through to you. Your question is kept.";
  if (isDown) {
    note.dataset.isDown = "yes";
  } else {
    const again = document.createElement("button");
    again.type = "button";
    again.textContent = "Load the page again";
    again.addEventListener("click", () => location.reload());
    note.append(again);
  }
  (find("#dock") ?? document.body).prepend(note);
  if (box() && !box().value) type(box(), sessionStorage.getItem(KEPT) ?? "");
}

// The server keeps the conversation for an hour. The tab knows its token, also after the page was loaded again: as soon as
// the server has greeted, what was said is asked for, and a question that has no answer is put back into the box.

const TOKEN = "conversation";
const token = sessionStorage.getItem(TOKEN);
const interrupted = sessionStorage.getItem(KEPT);
let greeting = "";
let isBack = false;

// A page that is loaded again begins without a focus.
const IN_BOX = "in the box";
const wasInBox = sessionStorage.getItem(IN_BOX);
const DRAFT = "draft";
const draft = sessionStorage.getItem(DRAFT);
addEventListener("pagehide", () => {
  sessionStorage.setItem(IN_BOX, document.activeElement === box() ? "yes" : "");
  sessionStorage.setItem(DRAFT, box()?.value ?? "");
});

// Gradio puts the messages there first, and what they say a moment later.
function isShown() {
  const said = findAll("#window [data-testid=bot]");
  return said.length > 0 && said.every((message) => find(".reply, .notice", message));
}

function comeBack() {
  if (isBack) {
    sessionStorage.setItem(TOKEN, find("#token textarea")?.value ?? "");
  } else if (!greeting) {
    if (statusLine() && statusLine() !== SAID.connecting) greeting = statusLine();
    if (greeting && token) type(find("#returning textarea"), token);
    else if (greeting) begin();
  } else if (isShown() || statusLine() === SAID.nothingYet) {
    begin();
  }
}

function begin() {
  isBack = true;
  sessionStorage.removeItem(KEPT);
  const asked = lastQuestion();
  if (!asked) sessionStorage.removeItem(TOKEN); // That the conversation is gone is not told again.
  if (isRunning()) watchFor(asked);
  else if (interrupted && asked !== interrupted.trim()) giveBack();
  // Where the last question is being changed it is the draft.
  const words = draft || (find("button[name=keep]") ? lastQuestion() : "");
  if (words && !isAsked && !linkedQuestion()) type(box(), words);
  if (wasInBox && document.activeElement === document.body) box().focus({ preventScroll: true });
  if (!isJump(history.state)) return;
  // Not to the newest question, but to the words that were open.
  questions = findAll("#window [data-testid=user]").length;
  isFollowing = false;
  jumpAgain();
}

function giveBack() {
  isAsked = true;
  type(box(), interrupted);
  say("The answer was interrupted. Your question is in the box again.");
  box().focus();
}

setTimeout(() => { if (!greeting) tellLost(false); }, SILENT_MS);

// What Gradio does not do, and what happens when the page changes

// What a screen reader needs and Gradio has no setting for
function name() {
  // Gradio labels each message with its source text.
  for (const message of findAll("[data-testid=bot][aria-label], [data-testid=user][aria-label]")) message.removeAttribute("aria-label");
  quieten();
  nameForm();
  for (const group of findAll("#window details:not([aria-label])")) group.setAttribute("aria-label", find("summary", group).textContent);
  // A list that scrolls would be a stop of the Tab key, and be gone as soon as it has the focus.
  for (const list of findAll("#picker [role=listbox]:not([tabindex])")) list.tabIndex = -1;
  const status = find("#status");
  const pane = find("#reading");
  if (!status || !pane || !box() || status.role) return;
  status.role = "status";
  pane.role = "region";
  pane.tabIndex = 0;
  pane.setAttribute("aria-label", "Article");
  box().setAttribute("aria-describedby", "note status");
}

// A new question stays at the top until its answer is there, or the reader moves. The page goes no further than to the end
// of the conversation, so that the box stays where it is.
let questions = 0;
let isFollowing = false;
for (const event of ["wheel", "touchmove", "keydown", "pointerdown"]) {
  addEventListener(event, () => { isFollowing = false; }, { passive: true, capture: true });
}

// What stands above the box comes and goes with a question. The conversation reaches down to where the screen ends for as
// long as the answer is made, and longer, so that Stop does not move away under the pointer.
let isHeld = false;

function hold() {
  const conversation = find("#conversation");
  const dock = find("#dock")?.getBoundingClientRect();
  if (!find("#window .user-row, #stop")) conversation?.style.removeProperty("min-height");
  else if (isRunning() && !isHeld && dock.bottom > 0 && dock.top < innerHeight) {
    // A later question finds the room to go to the top at once, so that the page is not scrolled when its answer is there.
    const later = findAll("#window [data-testid=user]").slice(1).at(-1);
    const room = later ? later.getBoundingClientRect().top - MARGIN : 0;
    conversation.style.minHeight = `${innerHeight + room - conversation.getBoundingClientRect().top}px`;
  }
  isHeld = isRunning();
}

function follow() {
  hold();
  const asked = findAll("#window [data-testid=user]");
  if (asked.length > questions) isFollowing = true;
  if (questions && !asked.length) {
    // What was cleared leaves the reader farther down than the beginning, where the box is now.
    scrollTo({ top: 0 });
    // The next question is a first one: the article that was talked about is not "this article" any more.
    if (isClearing) turnTo(picked());
    isClearing = false;
  }
  questions = asked.length;
  if (!isFollowing || !asked.length) return;
  const question = asked.at(-1).getBoundingClientRect().top - MARGIN;
  const end = find("#conversation").getBoundingClientRect().bottom - innerHeight;
  scrollBy({ top: Math.min(question, end), behavior: behavior() });
  // What stands above it may still change its height.
  if (!isRunning()) setTimeout(() => { isFollowing = false; }, 500);
}

// The server has put the question of the address into the box.
let isAsked = false;
const linkedQuestion = () => new URLSearchParams(location.search).get("q");

function askFromAddress() {
  if (isAsked || !isBack || isRunning() || !box()?.value || !linkedQuestion()) return;
  isAsked = true;
  // Not again when the page is loaded again, which finds the answer.
  setInAddress("q", "");
  find("#send")?.click();
}

function setInAddress(name, value) {
  const address = new URL(location.href);
  if (value) address.searchParams.set(name, value);
  else address.searchParams.delete(name);
  history.replaceState(history.state, "", address);
}

// The address names the article that the reader chose, so that the page that is loaded again goes on with it. In a frame
// it says whose article the frame is for.
function noteChoice() {
  const named = new URLSearchParams(location.search).get("article") ?? "";
  if (isBack && self === top && picked() !== named) setInAddress("article", picked());
}

// The focus goes into the form of a report when it opens for an answer, and back to where it came from when it closes.
let openAbout = "";

function guideFocus() {
  const field = find("#report input[type=radio]:checked");
  const about = find("#report #reported")?.textContent ?? "";
  if (field && about !== openAbout) {
    openAbout = about;
    field.focus({ preventScroll: true });
    // The form stands at the lower edge of the screen, and the answer above it.
    find(reportedFrom)?.closest(".reply").scrollIntoView({ block: "start", behavior: behavior() });
  } else if (openAbout && !find("#report")) {
    openAbout = "";
    (find(reportedFrom) ?? box()).focus();
  }
}

// Gradio would have all of each change read out: the first words, the last ones, the buttons. The line above the box says
// what happens, and #spoken what the answer is, once.
const SPOKEN_MS = 5000;

function quieten() {
  find("#window [aria-live=polite]")?.setAttribute("aria-live", "off");
  find("#spoken:not([role])")?.setAttribute("role", "status");
  const words = find("#spoken p");
  // Whoever reads the page from top to bottom does not meet the answer a second time.
  if (words?.textContent) setTimeout(() => { words.textContent = ""; }, SPOKEN_MS);
}

// The form of a report: its groups have names, and its radio buttons are one group, in which the arrow keys move.
function nameForm() {
  const form = find("#report:not([role])");
  form?.setAttribute("role", "form");
  form?.setAttribute("aria-labelledby", "report-title");
  for (const group of findAll("#report fieldset:not([aria-label])")) {
    group.setAttribute("aria-label", find("[data-testid=block-info]", group).textContent);
  }
  for (const radio of findAll("#verdict input")) radio.name = "verdict";
}

document.addEventListener("keydown", ({ key, isComposing, target }) => {
  if (key === "Escape" && !isComposing && target.closest?.("#report")) find("#drop-report").click();
});

// From the box to the newest quotation, or where there is none to the answer
document.addEventListener("click", (event) => {
  if (!event.target.closest?.('a[href="#window"]')) return;
  event.preventDefault();
  const answer = findAll("#window .reply").at(-1);
  const goal = find("a.cite", answer) ?? find(".answer", answer) ?? answer;
  goal.scrollIntoView({ block: "center", behavior: behavior() });
  goal.focus({ preventScroll: true });
});

// Gradio takes the focus away from the picker when Enter has chosen. It goes to the article that was chosen: back in the
// picker it would open the list again, and leaving it later would choose once more, under the reader's next click.
document.addEventListener("keydown", ({ key, target }) => {
  if (key !== "Enter" || !target.matches("#picker input")) return;
  setTimeout(() => {
    if (document.activeElement === document.body) find("#reading").focus({ preventScroll: true });
  });
}, true);

// On paper nothing can be opened.
let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded.push(...findAll("#window details:not([open])"));
  unfolded.forEach((each) => each.setAttribute("open", ""));
});
addEventListener("afterprint", () => {
  unfolded.forEach((each) => each.removeAttribute("open"));
  unfolded = [];
});

function onChange() {
  if (speaking && !speaking.button.isConnected) hush();
  name();
  comeBack();
  noteSigns();
  follow();
  light();
  askFromAddress();
  noteChoice();
  tellOpened();
  guideFocus();
}

new MutationObserver(onChange).observe(document.body, { childList: true, subtree: true, attributeFilter: ["aria-label"] });
