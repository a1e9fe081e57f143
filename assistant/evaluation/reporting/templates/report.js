// Filters and sorts the table of questions. Without it the table is whole and in the order of the causes.
"use strict";
const form = document.getElementById("filter");
const table = document.getElementById("table");
const body = table.tBodies[0];
const rows = [...body.rows];
const selects = [...form.querySelectorAll("select")];
const text = form.elements.namedItem("text");
const status = form.querySelector("[role=status]");

for (const select of selects) {
  const values = new Set(rows.map((row) => row.dataset[select.name]));
  for (const value of [...values].sort()) select.add(new Option(value, value));
  select.closest("label").hidden = values.size < 2;
}

function filter() {
  const wanted = text.value.trim().toLowerCase();
  let shown = 0;
  for (const row of rows) {
    const fits =
      selects.every((select) => !select.value || row.dataset[select.name] === select.value) &&
      row.cells[0].textContent.toLowerCase().includes(wanted);
    row.hidden = !fits;
    shown += fits;
  }
  status.textContent = `${shown} of ${rows.length} shown`;
}

function sort(header) {
  const column = header.cellIndex;
  const direction = header.ariaSort === "ascending" ? -1 : 1;
  for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
  header.ariaSort = direction === 1 ? "ascending" : "descending";
  const key = (row) => row.cells[column].textContent.trim();
  const compare = header.classList.contains("number")
    ? (a, b) => (Number(key(a).replaceAll(",", "")) || 0) - (Number(key(b).replaceAll(",", "")) || 0)
    : (a, b) => key(a).localeCompare(key(b));
  body.append(...rows.sort((a, b) => direction * compare(a, b)));
}

for (const header of table.tHead.rows[0].cells) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...header.childNodes);
  button.addEventListener("click", () => sort(header));
  header.append(button);
}

form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());
form.hidden = false;
filter();
