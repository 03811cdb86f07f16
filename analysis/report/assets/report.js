"use strict";
// Sortable tables, values under the pointer, and the sample browser. Text from a run enters the page through textContent only, never as HTML.

const SIZES = { k: 1e3, M: 1e6, G: 1e9, T: 1e12 };
const PAGE_SIZE = 20;

// ---- tables: a click sorts upwards, the next downwards, the third restores the order of the page ----

function cellValue(cell) {
  const text = cell.textContent.trim();
  const match = text.replace("−", "-").match(/^(?:< )?([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s?([kMGT])?(?![\p{L}\d])/u);
  if (match) return Number(match[1]) * (SIZES[match[2]] || 1);
  return text === "–" || text === "" ? null : text;
}

function compareValues(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1;
  return one.localeCompare(other, undefined, { numeric: true });
}

function sortTable(table, header) {
  const order = { none: "ascending", ascending: "descending", descending: "none" }[header.getAttribute("aria-sort")];
  for (const other of header.parentElement.children) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", order);
  const body = table.tBodies[0];
  const column = header.cellIndex;
  const direction = order === "descending" ? -1 : 1;
  const rows = [...body.rows].map((row) =>
    ({ row, value: cellValue(row.cells[column]), place: Number(row.dataset.place) }));
  rows.sort((one, other) => {
    if (order === "none") return one.place - other.place;
    if (one.value === null || other.value === null)  // what has no value stays below
      return (one.value === null) - (other.value === null) || one.place - other.place;
    return direction * compareValues(one.value, other.value) || one.place - other.place;
  });
  body.append(...rows.map((each) => each.row));
}

function makeSortable(table) {
  if (table.tBodies[0].rows.length < 2) return;
  [...table.tBodies[0].rows].forEach((row, place) => { row.dataset.place = place; });
  for (const header of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    header.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => sortTable(table, header));
  }
}

// ---- samples ----

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function block(text) {
  const pre = element("pre", text);
  pre.dir = "auto";
  return pre;
}

function completionParts(sample) {
  const parts = [block(sample.completion)];
  if (sample.left_out) {
    const gap = `${sample.left_out.toLocaleString("en")} characters are left out here`;
    parts.push(element("p", gap, "left-out"), block(sample.tail));
  }
  return parts;
}

function problemName(data, problem) {
  return data.benchmarks > 1 ? `${problem.benchmark}: ${problem.id}` : problem.id;
}

function sampleCard(data, sample, showProblem) {
  const problem = data.problems[sample.problem];
  const verdict = data.verdicts[sample.verdict];
  const card = element("article", undefined, "sample");
  const header = element("header");
  const side = verdict === "CORRECT" ? "right" : "wrong";
  header.append(
    element("span", `${verdict}${sample.cut_off ? ", cut off" : ""}`, `verdict ${side}`),
    element("strong", data.arms[sample.arm]),
    element("span", `seed ${sample.seed}, step ${sample.step}, sample ${sample.index}`),
    element("span", `problem ${problemName(data, problem)}`),
    element("span", sample.answer ? `answer ${sample.answer}` : "no answer"),
    element("span", `gold ${problem.gold}`),
  );
  if (sample.class && sample.class !== sample.answer) header.append(element("span", `class ${sample.class}`));
  header.append(element("span", `${sample.tokens} tokens, ended by ${sample.finish}`));
  for (const span of header.children) span.dir = "auto";
  const question = element("details");
  question.append(element("summary", "Problem"), block(problem.question));
  question.open = showProblem;
  card.append(header, question, ...completionParts(sample));
  return card;
}

function option(select, value, text) {
  const made = element("option", text);
  made.value = value;
  select.append(made);
}

function fillFilters(form, data) {
  for (const name of ["arm", "right", "wrong"])
    data.arms.forEach((arm, place) => option(form.elements[name], place, arm));
  for (const seed of data.seeds) option(form.elements.seed, seed, seed);
  option(form.elements.step, "every", "every step");
  const steps = [...new Set(data.samples.map((sample) => sample.step))].sort((one, other) => one - other);
  for (const step of steps) option(form.elements.step, step, step);
  data.verdicts.forEach((verdict, place) => option(form.elements.verdict, place, verdict));
  if (data.samples.some((sample) => sample.cut_off))
    option(form.elements.verdict, "cut_off", "cut off at the length limit");
  data.problems.map((problem, place) => ({ place, name: problemName(data, problem) }))
    .sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }))
    .forEach(({ place, name }) => option(form.elements.problem, place, name));
}

function searchText(data, sample) {
  if (sample.searched === undefined) {
    const problem = data.problems[sample.problem];
    const parts = [sample.completion, sample.tail, sample.answer, problem.id, problem.question, problem.gold];
    sample.searched = parts.join("\n").toLowerCase();
  }
  return sample.searched;
}

// The share of an arm's samples of a problem that are right at the last step: of one seed, or over all ("").
function rightShare(data, problem, arm, seed) {
  const shares = data.problems[problem].right[arm] || [];
  const known = shares.filter((share, place) => share !== null && (seed === "" || data.seeds[place] === Number(seed)));
  return known.length ? known.reduce((sum, share) => sum + share, 0) / known.length : null;
}

// The problems that arm A ("" for any) gets right in more than half of its samples, and B in less than half.
function contrastedProblems(data, a, b, seed) {
  const kept = data.problems.map((_, problem) => problem).filter((problem) => {
    const [right, wrong] = [a, b].map((arm) => (arm === "" ? null : rightShare(data, problem, arm, seed)));
    return (a === "" || (right !== null && right > 0.5)) && (b === "" || (wrong !== null && wrong < 0.5));
  });
  return new Set(kept);
}

function isContrasted(data, sample, a, b) {
  const correct = data.verdicts[sample.verdict] === "CORRECT";
  return (a !== "" && sample.arm === Number(a) && correct) || (b !== "" && sample.arm === Number(b) && !correct);
}

function chosenSamples(form, data) {
  const { arm, seed, step, verdict, problem, right, wrong, text } = form.elements;
  const wanted = text.value.trim().toLowerCase();
  const contrast = right.value !== "" || wrong.value !== "";
  const problems = contrast ? contrastedProblems(data, right.value, wrong.value, seed.value) : null;
  return data.samples.filter((sample) =>
    (arm.value === "" || sample.arm === Number(arm.value)) &&
    (seed.value === "" || sample.seed === Number(seed.value)) &&
    (step.value === "every" || (step.value === "" ? sample.last : sample.step === Number(step.value))) &&
    (verdict.value === "" ||
      (verdict.value === "cut_off" ? sample.cut_off : sample.verdict === Number(verdict.value))) &&
    (problem.value === "" || sample.problem === Number(problem.value)) &&
    (!contrast || (problems.has(sample.problem) && isContrasted(data, sample, right.value, wrong.value))) &&
    (wanted === "" || searchText(data, sample).includes(wanted)));
}

function startBrowser(root) {
  const raw = JSON.parse(document.getElementById("sample-data").textContent);
  const data = {
    ...raw,
    benchmarks: new Set(raw.problems.map((problem) => problem.benchmark)).size,
    samples: raw.samples.map((row) => Object.fromEntries(raw.columns.map((name, place) => [name, row[place]]))),
  };
  const form = root.querySelector("form");
  const list = root.querySelector(".list");
  const count = root.querySelector(".count");
  const [back, on] = root.querySelectorAll(".pages button");
  let page = 0;
  let chosen = [];

  function show() {
    const first = page * PAGE_SIZE;
    const shown = chosen.slice(first, first + PAGE_SIZE);
    let before = null;  // the problem is open where it differs from that of the sample above
    list.replaceChildren(...shown.map((sample) => {
      const card = sampleCard(data, sample, sample.problem !== before);
      before = sample.problem;
      return card;
    }));
    const all = data.samples.length.toLocaleString("en");
    const found = chosen.length.toLocaleString("en");
    count.textContent = chosen.length
      ? `${first + 1} to ${first + shown.length} of ${found} samples that match (${all} in the page)`
      : `None of the ${all} samples in the page match`;
    back.disabled = page === 0;
    on.disabled = first + PAGE_SIZE >= chosen.length;
  }

  function choose() {
    chosen = chosenSamples(form, data);
    page = 0;
    show();
  }

  function turn(pages) {
    page += pages;
    show();
    root.scrollIntoView();
  }

  fillFilters(form, data);
  form.addEventListener("input", choose);
  form.addEventListener("submit", (event) => event.preventDefault());
  back.addEventListener("click", () => turn(-1));
  on.addEventListener("click", () => turn(1));
  root.hidden = false;
  choose();
}

// ---- figures: the value nearest to the pointer ----

const REACH = 36;  // pixels from the pointer to the farthest value that it finds

function nearestMark(marks, box, event) {
  let found = null;
  let least = REACH;
  for (const [x, y, text] of marks) {
    const distance = Math.hypot(x * box.width - (event.clientX - box.left), y * box.height - (event.clientY - box.top));
    if (distance < least) [least, found] = [distance, { x, y, text }];
  }
  return found;
}

function startPlot(plot) {
  const marks = JSON.parse(plot.dataset.marks);
  const tip = element("div", "", "tip");
  const dot = element("div", undefined, "dot");
  tip.setAttribute("role", "status");
  tip.hidden = dot.hidden = true;
  plot.append(dot, tip);
  function point(event) {
    const box = plot.getBoundingClientRect();
    const found = nearestMark(marks, box, event);
    tip.hidden = dot.hidden = !found;
    if (!found) return;
    tip.textContent = found.text;
    dot.style.left = `${100 * found.x}%`;
    dot.style.top = `${100 * found.y}%`;
    const left = Math.min(found.x * box.width + 12, box.width - tip.offsetWidth - 2);
    const above = found.y * box.height - tip.offsetHeight - 10;
    tip.style.left = `${Math.max(0, left)}px`;
    tip.style.top = `${above < 0 ? found.y * box.height + 14 : above}px`;
  }
  plot.addEventListener("pointermove", point);
  plot.addEventListener("pointerdown", point);
  plot.addEventListener("pointerleave", () => { tip.hidden = dot.hidden = true; });
}

for (const plot of document.querySelectorAll(".plot[data-marks]")) startPlot(plot);
for (const table of document.querySelectorAll("main table:not(.matrix)")) makeSortable(table);
const browser = document.getElementById("sample-browser");
if (browser) startBrowser(browser);
