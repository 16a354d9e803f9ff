"use strict";
// Shows a cell's samples: loads their files on demand, searches them, and inserts texts as plain text.
(() => {
  const PER_PAGE = 25;
  const box = document.getElementById("samples");
  if (!box) return;
  const chunks = Number(box.dataset.chunks);
  const loaded = new Map();
  const waiting = new Map();
  const [search, wrong, category] = ["search", "wrong", "category"].map((id) => document.getElementById(id));
  let page = 0;
  let asked = 0;

  window.rtbench = {
    chunk(number, shared, rows) {
      for (const row of rows) row.p = shared + row.p;
      loaded.set(number, rows);
    },
  };

  const load = (number) => {
    if (loaded.has(number)) return Promise.resolve();
    if (!waiting.has(number)) {
      waiting.set(number, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = `../data/${box.dataset.cell}-${number}.js`;
        script.onload = resolve;
        script.onerror = () => reject(new Error(`${script.src} is missing`));
        document.head.append(script);
      }));
    }
    return waiting.get(number);
  };

  const fits = (row, words) => (!wrong.checked || !row.ok) && (!category.value || row.c === category.value)
    && (!words || [row.q, row.t, row.r, row.th, row.g, row.x].some((text) => text && text.toLowerCase().includes(words)));

  // Control characters, and those that have no width or change the direction of text, are shown as signs.
  const HIDDEN = new RegExp("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180e\\u200b-\\u200f"
    + "\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb\\ud800-\\udfff\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}]", "gu");
  const sign = (character) => {
    const code = character.codePointAt(0);
    const [letter, digits] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
    return code === 13 ? "\\r" : `\\${letter}${code.toString(16).padStart(digits, "0")}`;
  };

  const element = (name, text, kind) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = String(text).replace(HIDDEN, sign);
    if (kind) made.className = kind;
    return made;
  };
  const field = (name, text, parent) => {
    if (text === undefined || text === null || text === "") return;
    const value = element("div", text, "text");
    value.dir = "auto";
    parent.append(element("div", name, "field"), value);
  };
  const drawn = (row) => {
    const sample = element("article", undefined, `sample ${row.ok ? "correct" : "wrong"}`);
    sample.dataset.index = row.i;
    sample.id = `s${row.i}`;
    const link = element("a", `${row.i}: ${row.ok ? "correct" : "wrong"}${row.c ? ` (${row.c})` : ""}`);
    link.href = `#s${row.i}`;
    const head = element("h3");
    head.append(link);
    sample.append(head);
    field("question", row.q, sample);
    field("thinking", row.th, sample);
    field("rationale", row.r, sample);
    field(row.r ? "answer stage" : "completion", row.t, sample);
    const verdict = element("div", undefined, "verdict-of");
    field("extracted answer", row.x === null ? "none" : row.x, verdict.appendChild(element("div")));
    field("gold", row.g, verdict.appendChild(element("div")));
    sample.append(verdict);
    const details = element("details");
    details.append(element("summary", "prompt as sent"));
    field("prompt", row.p || "not available: a recording", details);
    sample.append(details);
    return sample;
  };

  const show = async () => {
    const turn = ++asked;
    const words = search.value.trim().toLowerCase();
    const narrowed = words || wrong.checked || category.value;
    const found = [];
    const until = (page + 1) * PER_PAGE;
    let number = 0;
    try {
      for (; number < chunks; number += 1) {
        await load(number);
        if (turn !== asked) return;
        found.push(...loaded.get(number).filter((row) => fits(row, words)));
        if (!narrowed && found.length >= until) break;
      }
    } catch (error) {
      box.textContent = error.message;
      return;
    }
    const all = [...loaded.values()].reduce((sum, rows) => sum + rows.length, 0);
    const more = number < chunks - 1;
    document.getElementById("found").textContent = narrowed ? `${found.length} of ${all} samples` : "";
    const last = Math.max(0, Math.ceil(found.length / PER_PAGE) - 1);
    page = Math.min(page, last);
    document.getElementById("place").textContent = found.length
      ? `${page * PER_PAGE + 1}–${Math.min(until, found.length)}${more ? "" : ` of ${found.length}`}` : "none";
    document.getElementById("previous").disabled = page === 0;
    document.getElementById("next").disabled = !more && page >= last;
    box.replaceChildren(...found.slice(page * PER_PAGE, until).map(drawn));
  };
  const again = () => { page = 0; show(); };
  for (const one of [wrong, category]) one.addEventListener("change", again);
  let timer;
  search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(again, 150); });
  document.getElementById("controls").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("previous").addEventListener("click", () => { page -= 1; show(); });
  document.getElementById("next").addEventListener("click", () => { page += 1; show(); });

  // A link to a sample, such as `#s17`, opens the page that has it.
  const follow = async () => {
    const named = /^#s(\d+)$/.exec(window.location.hash);
    if (!named) return show();
    const index = Number(named[1]);
    search.value = category.value = "";
    wrong.checked = false;
    let before = 0;
    for (let number = 0; number < chunks; number += 1) {
      await load(number).catch(() => undefined);
      const rows = loaded.get(number) || [];
      const at = rows.findIndex((row) => row.i === index);
      if (at >= 0) {
        page = Math.floor((before + at) / PER_PAGE);
        break;
      }
      before += rows.length;
    }
    await show();
    const sample = document.getElementById(`s${index}`);
    if (sample) sample.scrollIntoView();
  };
  window.addEventListener("hashchange", follow);
  follow();
})();
