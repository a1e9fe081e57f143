// Each key presses a control of the page, so that whatever it does can be done without it.
"use strict";
const form = document.getElementById("form");
const keys = document.getElementById("keys");
const save = form.querySelector("[value=save]");
const criteria = [...form.querySelectorAll(".criterion")];

const isGraded = (criterion) => criterion.querySelector("input[type=radio]:checked") !== null;
const isTyping = (element) => element.matches("textarea, input:not([type=radio], [type=checkbox])");

// What is graded and has the focus, or the first that has no grade yet; with two answers each is graded by itself.
function current() {
  return criteria.find((criterion) => criterion.contains(document.activeElement)) ?? criteria.find((criterion) => !isGraded(criterion)) ?? criteria[0];
}

function goOn() {
  const next = criteria.find((criterion) => !isGraded(criterion));
  const preferred = form.querySelector("[name=preferred]");
  if (next) next.querySelector("input").focus();
  else if (preferred) preferred.focus();
  // The best grade comes first.
  else if (criteria.every((criterion) => criterion.querySelector("input").checked)) form.requestSubmit(save);
}

function choose(radio) {
  const criterion = radio.closest(".criterion");
  radio.checked = true;
  radio.focus();
  if (!criterion) return;
  const reason = form.elements.namedItem("reason");
  const issue = criterion.parentElement.querySelector("[list]");
  if (reason && !reason.value) reason.focus();
  else if (issue && radio !== criterion.querySelector("input")) issue.focus();
  else goOn();
}

function pressed(key) {
  const [first, ...others] = form.querySelectorAll(`[data-key="${CSS.escape(key)}"]`);
  const control = others.find((other) => current().contains(other)) ?? first;
  if (control?.matches("[type=radio]")) choose(control);
  else if (control?.matches("details")) control.open = !control.open;
  else if (control) control.click();
  else {
    const place = (current().parentElement.querySelector(`[data-focus="${CSS.escape(key)}"]`)) ?? document.querySelector(`[data-focus="${CSS.escape(key)}"]`);
    if (!place) return false;
    place.focus();
  }
  return true;
}

document.addEventListener("keydown", (event) => {
  const at = event.target;
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  if (isTyping(at)) {
    if (event.key === "Escape") at.blur();
    // Enter in the issue of one of two answers goes on to the other.
    if (event.key === "Enter" && at.matches("[list]") && criteria.length > 1) {
      event.preventDefault();
      goOn();
    }
    return;
  }
  if (event.key === "Enter" && at.matches("[type=radio], [type=checkbox], body, .article")) {
    event.preventDefault();
    form.requestSubmit(save);
  } else if (keys.checked && event.key.length === 1 && pressed(event.key)) {
    event.preventDefault();
  }
});

keys.checked = localStorage.getItem("keys") !== "off";
keys.addEventListener("change", () => localStorage.setItem("keys", keys.checked ? "on" : "off"));
// The words that are cited come into view within the article, and the page itself stays where it is.
const article = document.querySelector(".article");
const mark = article.querySelector("mark");
if (mark) article.scrollTop = mark.offsetTop - article.offsetTop - article.clientHeight / 3;
