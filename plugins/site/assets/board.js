"use strict";
// Sorts and filters the leaderboard, shows a row's details and the notes on the shown rows, and reads values off the charts.
(() => {
  const table = document.getElementById("leaderboard");
  const body = table.tBodies[0];
  const order = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const [reported, empty, task] = ["reported", "empty", "task"].map((id) => document.getElementById(id));
  const selects = [...document.querySelectorAll("select[data-filter]")];
  const notes = [...document.querySelectorAll("li[data-rows]")];
  const opened = new Map();

  const text = (name, content, kind) => {
    const made = document.createElement(name);
    if (content !== undefined) made.textContent = content;
    if (kind) made.className = kind;
    return made;
  };

  const show = () => {
    const shown = new Set();
    for (const row of order) {
      const fits = selects.every((one) => !one.value || row.dataset[one.dataset.filter] === one.value
        || (row.dataset.kind === "random" && one.dataset.filter !== "source"));
      const wanted = row.dataset.kind === "reported" ? reported && reported.checked
        : !("empty" in row.dataset) || !empty || empty.checked;
      row.hidden = !fits || !wanted;
      if (!row.hidden) shown.add(row.dataset.place);
      const details = opened.get(row);
      if (details) details.hidden = row.hidden;
    }
    document.getElementById("shown").textContent = `${shown.size} row${shown.size === 1 ? "" : "s"} shown, ${order.length - shown.size} hidden`;
    for (const note of notes) {
      const of = note.dataset.rows;
      note.hidden = of !== "" && !of.split(" ").some((place) => shown.has(place));
    }
    for (const [column, head] of heads.entries()) {
      if (!("task" in head.dataset)) continue;
      const hidden = Boolean(task && task.value) && head.dataset.task !== task.value;
      head.hidden = hidden;
      for (const row of order) row.cells[column].hidden = hidden;
    }
  };

  // The details of a row: all its numbers below each other, which a narrow screen shows without scrolling sideways.
  const detailsOf = (row) => {
    const list = document.createElement("dl");
    for (const [column, head] of heads.entries()) {
      if (column === 0 || ["", "–"].includes(row.cells[column].textContent.trim())) continue;
      const value = document.createElement("dd");
      for (const node of row.cells[column].childNodes) value.append(node.cloneNode(true));
      const why = value.querySelector(".why");
      if (why) why.hidden = false;
      list.append(text("dt", head.textContent.trim()), value);
    }
    const details = text("tr", undefined, "details");
    const cell = details.appendChild(document.createElement("td"));
    cell.colSpan = heads.length;
    cell.append(list);
    return details;
  };
  for (const row of order) {
    const button = row.querySelector("button.open");
    button.addEventListener("click", () => {
      const details = opened.get(row);
      button.setAttribute("aria-expanded", String(!details));
      if (details) {
        details.remove();
        opened.delete(row);
      } else {
        opened.set(row, detailsOf(row));
        row.after(opened.get(row));
      }
    });
  }

  const valueOf = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.value === undefined) {
      const content = cell.textContent.trim();
      return content !== "" && !Number.isNaN(Number(content)) ? Number(content) : content;
    }
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  };
  const compare = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), undefined, { numeric: true });
  };
  for (const [column, head] of heads.entries()) {
    head.querySelector("button").addEventListener("click", () => {
      const number = head.classList.contains("number");
      const before = head.getAttribute("aria-sort");
      const down = before === null ? number : before === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...order].sort((one, other) => {
        const [a, b] = [valueOf(one, column), valueOf(other, column)];
        return a === null || b === null ? compare(a, b) : (down ? -1 : 1) * compare(a, b);
      });
      body.append(...rows.flatMap((row) => (opened.has(row) ? [row, opened.get(row)] : [row])));
    });
  }
  for (const one of [...selects, reported, empty, task]) if (one) one.addEventListener("change", show);
  document.getElementById("controls").addEventListener("submit", (event) => event.preventDefault());
  if (window.matchMedia("(max-width: 44rem)").matches) document.querySelector("details.filters").open = false;
  show();

  // A point of a chart says its value when it is pointed at or tapped.
  for (const plot of document.querySelectorAll(".plot")) {
    const reading = plot.parentElement.querySelector(".reading");
    const read = (event) => {
      const mark = event.target.closest("[data-said]");
      if (mark) reading.textContent = mark.dataset.said;
    };
    plot.addEventListener("pointerover", read);
    plot.addEventListener("click", read);
  }
})();
