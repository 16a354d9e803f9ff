"use strict";
// Sorts and filters the leaderboard, shows the paper's figures and draws the charts.
(() => {
  const table = document.getElementById("leaderboard");
  const body = table.tBodies[0];
  const order = [...body.rows];
  const reported = document.getElementById("reported");
  const selects = [...document.querySelectorAll("select[data-filter]")];

  const show = () => {
    let count = 0;
    for (const row of order) {
      const fits = selects.every((one) => !one.value || row.dataset[one.dataset.filter] === one.value
        || (row.dataset.kind === "random" && one.dataset.filter !== "source"));
      row.hidden = !fits || (row.dataset.kind === "reported" && !(reported && reported.checked));
      count += row.hidden ? 0 : 1;
    }
    document.getElementById("shown").textContent = `${count} of ${order.length} rows`;
  };

  const valueOf = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.value === undefined) {
      const text = cell.textContent;
      return text !== "" && !Number.isNaN(Number(text)) ? Number(text) : text;
    }
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  };
  const compare = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), undefined, { numeric: true });
  };
  for (const button of table.querySelectorAll("button[data-sort]")) {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const column = Number(button.dataset.sort);
      const number = head.classList.contains("number");
      const before = head.getAttribute("aria-sort");
      const down = before === null ? number : before === "ascending";
      for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...order].sort((one, other) => {
        const [a, b] = [valueOf(one, column), valueOf(other, column)];
        return a === null || b === null ? compare(a, b) : (down ? -1 : 1) * compare(a, b);
      });
      body.append(...rows);
    });
  }
  for (const one of selects) one.addEventListener("change", show);
  if (reported) reported.addEventListener("change", show);
  show();

  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const draw = () => {
    const style = getComputedStyle(document.documentElement);
    const [text, line] = [style.getPropertyValue("--text").trim(), style.getPropertyValue("--line").trim()];
    const config = {
      background: "transparent", view: { stroke: line }, style: { "guide-label": { fill: text }, "guide-title": { fill: text } },
      header: { labelColor: text, titleColor: text }, axis: { gridColor: line, domainColor: line, tickColor: line },
    };
    for (const plot of document.querySelectorAll(".plot")) {
      const data = plot.querySelector("script");
      const target = plot.querySelector("div") || plot.appendChild(document.createElement("div"));
      window.vegaEmbed(target, JSON.parse(data.textContent), { actions: false, renderer: "svg", config, ast: false })
        .catch((error) => { target.textContent = `This chart could not be drawn: ${error.message}`; });
    }
  };
  dark.addEventListener("change", draw);
  draw();
})();
