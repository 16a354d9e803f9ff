// Returns what bars readers from a page, as Lighthouse and axe would list it: the body of a function.
const problems = [];
const say = (what, element) => problems.push(`${what}: ${(element.outerHTML || "").slice(0, 120)}`);
const visible = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0;
const all = (selector) => [...document.querySelectorAll(selector)];

// The page itself.
if (document.documentElement.lang !== "en") problems.push("no language");
if (!document.title.trim()) problems.push("no title");
const viewport = document.querySelector("meta[name=viewport]");
if (!viewport || !viewport.content.includes("width=device-width") || /user-scalable|maximum-scale/.test(viewport.content)) problems.push("viewport");
const policy = document.querySelector("meta[http-equiv=Content-Security-Policy]");
if (!policy || !policy.content.startsWith("default-src 'none'") || policy.content.includes("unsafe")) problems.push("content policy");
if (document.documentElement.scrollWidth > window.innerWidth) problems.push(`scrolls sideways: ${document.documentElement.scrollWidth}`);
const ids = all("[id]").map((one) => one.id);
if (new Set(ids).size < ids.length) problems.push("an id is used twice");
if (all("main").length !== 1) problems.push("one main part is expected");

// Headings in order.
const levels = all("h1, h2, h3, h4").filter(visible).map((one) => Number(one.tagName[1]));
if (levels.filter((level) => level === 1).length !== 1 || levels[0] !== 1) problems.push("one first heading is expected");
levels.forEach((level, at) => { if (at && level > levels[at - 1] + 1) problems.push(`a heading skips a level: ${level}`); });

// Names of what can be used, and of pictures.
const nameOf = (element) => (element.getAttribute("aria-label") || element.textContent || "").trim();
for (const one of all("a, button, summary")) if (visible(one) && !nameOf(one)) say("no name", one);
for (const one of all("input, select, textarea")) if (!one.labels.length && !one.getAttribute("aria-label")) say("no label", one);
for (const one of all("[role=img], [role=region], nav")) if (!one.getAttribute("aria-label")) say("no name", one);
for (const one of all("svg")) if (!one.closest("[role=img], [aria-hidden=true]")) say("a picture without a description", one);
for (const one of all("th")) if (!one.getAttribute("scope")) say("no scope", one);
for (const one of all("a[href^='#']")) if (one.hash.length > 1 && !document.getElementById(one.hash.slice(1))) say("leads nowhere", one);

// Keyboard: what scrolls can be focused, and nothing changes the order.
for (const one of all("*")) {
  const overflow = getComputedStyle(one).overflowX;
  const scrolls = ["auto", "scroll"].includes(overflow) && one.scrollWidth > one.clientWidth + 1 && visible(one);
  if (scrolls && one.tabIndex < 0 && !one.querySelector("a, button, input, select")) say("scrolls, but not by the keyboard", one);
  if (one.tabIndex > 0) say("changes the order of the keyboard", one);
}

// Targets of fingers: 24 × 24 pixels (WCAG 2.2, 2.5.8). A label belongs to its control.
for (const one of all("a, button, summary, select, input")) {
  if (!visible(one) || one.matches(".skip")) continue;
  const box = (one.closest("label") || one).getBoundingClientRect();
  if (box.width < 24 || box.height < 23.5) say(`a target of ${box.width.toFixed(0)} × ${box.height.toFixed(0)}`, one);
}

// Contrast of texts to what is behind them (WCAG 2.2, 1.4.3). Numbers of heat maps are checked elsewhere.
const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
const rgba = (colour) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const luminance = ([r, g, b]) => [r, g, b].map((part) => part / 255)
  .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
  .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
const behind = (element) => {
  for (let one = element; one; one = one.parentElement) {
    const colour = rgba(getComputedStyle(one).backgroundColor);
    if (colour[3] === 255) return colour;
  }
  return [255, 255, 255, 255];
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const seen = new Set();
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || seen.has(element) || !visible(element) || element.closest("script, noscript, option")) continue;
  seen.add(element);
  const style = getComputedStyle(element);
  const drawn = element instanceof SVGElement;
  const fill = drawn ? style.fill : style.color;
  if (drawn && ["rgb(16, 20, 26)", "rgb(254, 254, 254)"].includes(fill)) continue;
  const [one, other] = [luminance(rgba(fill)), luminance(behind(element))].sort((a, b) => b - a);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  const contrast = (one + 0.05) / (other + 0.05);
  if (contrast < (large ? 3 : 4.5)) say(`a contrast of ${contrast.toFixed(2)}`, element);
}
return problems;
