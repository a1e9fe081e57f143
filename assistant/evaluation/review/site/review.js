// Each key presses a control of the page, so that whatever it does can be done without it.
"use strict";
const form = document.getElementById("form");
const keys = document.getElementById("keys");
const save = form.querySelector("[value=save]");
const sides = [...form.querySelectorAll(".sides fieldset")];

const isGraded = (side) => side.querySelector("input[type=radio]:checked") !== null;
const isTyping = (element) => element.matches("textarea, input:not([type=radio], [type=checkbox])");

// The side that has the focus, or the first that has no grade yet.
function current() {
  return sides.find((side) => side.contains(document.activeElement)) ?? sides.find((side) => !isGraded(side)) ?? sides[0];
}

function goOn(side) {
  const next = sides.find((other) => other !== side && !isGraded(other));
  if (next) next.querySelector("input").focus();
  else if (sides.length > 1) form.querySelector("[name=preferred]").focus();
  else form.requestSubmit(save);
}

function choose(radio) {
  const side = radio.closest(".sides fieldset");
  radio.checked = true;
  radio.focus();
  if (!side) return;
  const reason = form.elements.namedItem("reason");
  if (reason && !reason.value) reason.focus();
  else if (radio.value === "good") goOn(side);
  else side.querySelector("[list]").focus();
}

function pressed(key) {
  const [first, ...others] = form.querySelectorAll(`[data-key="${CSS.escape(key)}"]`);
  const control = others.find((other) => current().contains(other)) ?? first;
  if (control?.matches("[type=radio]")) choose(control);
  else if (control?.matches("details")) control.open = !control.open;
  else if (control) control.click();
  else {
    const place = (current().querySelector(`[data-focus="${CSS.escape(key)}"]`)) ?? document.querySelector(`[data-focus="${CSS.escape(key)}"]`);
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
    if (event.key === "Enter" && at.matches("[list]") && sides.length > 1) {
      event.preventDefault();
      goOn(at.closest("fieldset"));
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
