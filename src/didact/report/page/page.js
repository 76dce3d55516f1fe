// Tables that sort and filter, legends that hide groups, and panels drawn from the tables that hold their data.
"use strict";
(() => {
  const every = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  const text = (cell) => cell.textContent.trim();

  // ---------------------------------------------------------------- tables

  const value = (cell) => ("v" in cell.dataset ? Number(cell.dataset.v) : text(cell));
  const empty = (v) => v === "" || v === "-" || Number.isNaN(v);

  function order(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return a.localeCompare(b, "en", { numeric: true });
  }

  function sort(table, at, heading) {
    const down = heading.getAttribute("aria-sort") === "ascending";
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [value(row.cells[at]), row]);
    // rows without a value stay at the end in both directions
    rows.sort(([a], [b]) => (empty(a) || empty(b) ? empty(a) - empty(b) : (down ? -1 : 1) * order(a, b)));
    body.append(...rows.map(([, row]) => row));
    every("th[aria-sort]", table.tHead).forEach((th) => th.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  }

  function sortable(table) {
    [...table.tHead.rows[0].cells].forEach((heading, at) => {
      const button = document.createElement("button");
      button.type = "button";
      button.id = `${table.id}-sort-${at}`;
      button.textContent = text(heading);
      if (!text(heading)) button.setAttribute("aria-label", "row");
      button.addEventListener("click", () => sort(table, at, heading));
      heading.replaceChildren(button);
    });
  }

  function filterable(table) {
    const rows = [...table.tBodies[0].rows];
    if (rows.length < 4) return;
    const box = document.createElement("div");
    box.className = "filter";
    const label = document.createElement("label");
    const input = document.createElement("input");
    const status = document.createElement("span");
    input.type = "search";
    input.id = `${table.id}-filter`;
    status.className = "status";
    status.setAttribute("role", "status");
    label.append("Filter rows: ", input);
    box.append(label, status);
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const line = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => line.includes(word));
        shown += row.hidden ? 0 : 1;
      }
      status.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
    });
    table.closest(".scroll").before(box);
  }

  // ---------------------------------------------------------------- data of panels

  const number = (cell) => (text(cell) === "" ? null : Number(text(cell)));
  const either = (cell) => (cell.classList.contains("n") ? number(cell) : text(cell));

  const read = {
    wide(table) {
      const heads = [...table.tHead.rows[0].cells];
      const found = [];
      for (const row of table.tBodies[0].rows) {
        const x = number(row.cells[0]);
        for (let at = 1; at < heads.length; at++) {
          const y = number(row.cells[at]);
          if (y === null) continue;
          const { group, dashed } = heads[at].dataset;
          found.push({ x, y, name: text(heads[at]), group, dashed: Number(dashed ?? 0) });
        }
      }
      return found;
    },
    long(table, measured) {
      return [...table.tBodies[0].rows].map((row, order) => {
        const [name, group, x, y, spread] = row.cells;
        const point = { name: text(name), group: text(group), x: either(x), y: either(y), order };
        const half = spread ? number(spread) : null;
        if (half !== null) Object.assign(point, { low: point[measured] - half, high: point[measured] + half });
        return point;
      });
    },
    matrix(table) {
      const heads = [...table.tHead.rows[0].cells].map(text);
      return [...table.tBodies[0].rows].flatMap((row) =>
        [...row.cells].slice(1).map((cell, at) => ({ y: text(row.cells[0]), x: heads[at + 1], value: number(cell) })));
    },
  };

  // ---------------------------------------------------------------- panels

  const font = getComputedStyle(document.body).fontFamily;
  const config = {
    background: null,
    font,
    axis: {
      labelColor: "var(--text)", titleColor: "var(--text)", gridColor: "var(--line)", domainColor: "var(--soft)",
      tickColor: "var(--soft)", labelFontSize: 11, titleFontWeight: "normal", titleFontSize: 12, labelOverlap: true,
      labelFlush: false, labelSeparation: 6,
    },
    title: { color: "var(--text)", fontSize: 13, fontWeight: 600 },
    legend: { labelColor: "var(--text)", titleColor: "var(--text)" },
    view: { stroke: "var(--line)" },
  };

  // lines that a tooltip shows at most; the table has all
  const MOST = 14;

  function tooltip(x) {
    const row = (html, key, value) => `<tr><td class="key">${html(key)}</td><td class="value">${html(String(value))}</td></tr>`;
    return (value, html) => {
      if (typeof value !== "object" || value === null) return html(String(value));
      const { x: place, ...others } = value;
      let lines = Object.entries(others);
      if (place !== undefined) lines = lines.sort(([, a], [, b]) => b - a);
      const more = lines.length - MOST;
      if (more > 0) lines.length = MOST;
      const head = place === undefined ? [] : [[x, place]];
      const end = more > 0 ? `<tr><td class="key" colspan="2">and ${more} lower ones</td></tr>` : "";
      return `<table>${[...head, ...lines].map(([key, each]) => row(html, key, each)).join("")}${end}</table>`;
    };
  }

  async function draw(chart) {
    const specification = JSON.parse(chart.querySelector("script").textContent);
    const table = document.getElementById(chart.dataset.table);
    const rows = read[chart.dataset.shape](table, chart.dataset.measured);
    const place = document.createElement("div");
    place.className = "chart";
    chart.append(place);
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const heading = text(table.tHead.rows[0].cells[0]);
    const about = { theme: dark ? "dark" : "light", formatTooltip: tooltip(heading) };
    const options = { renderer: "svg", actions: false, config, tooltip: about };
    specification.datasets = { rows };
    const { view } = await vegaEmbed(place, specification, options);
    return view;
  }

  function legend(figure, views, hidden) {
    for (const [at, entry] of every(".legend li", figure).entries()) {
      const button = document.createElement("button");
      button.type = "button";
      button.id = `${figure.id}-legend-${at}`;
      button.append(...entry.childNodes);
      button.setAttribute("aria-pressed", String(!hidden.has(text(button))));
      button.addEventListener("click", () => {
        const group = text(button);
        if (!hidden.delete(group)) hidden.add(group);
        button.setAttribute("aria-pressed", String(!hidden.has(group)));
        for (const view of views) view.signal("hidden", [...hidden]).runAsync();
      });
      entry.replaceChildren(button);
    }
  }

  async function pictures() {
    for (const figure of every("figure")) {
      const views = [];
      const hidden = new Set(kept()?.hidden?.[figure.id]);
      legend(figure, views, hidden);
      for (const chart of every("[data-shape]", figure)) {
        const view = await draw(chart);
        if (hidden.size) view.signal("hidden", [...hidden]).runAsync();
        views.push(view);
        await new Promise((done) => setTimeout(done));
      }
    }
    document.documentElement.dataset.drawn = "yes";
  }

  // ---------------------------------------------------------------- a live page

  const KEY = "didact-report";

  // what a reader has done to the page before it was loaded again; null where there is nothing
  const kept = () => (document.body.dataset.state ? JSON.parse(sessionStorage.getItem(KEY) ?? "null") : null);

  function keep() {
    const open = every("details[open]").map((each) => each.id);
    const filters = every(".filter input").map((each) => [each.id, each.value]).filter(([, typed]) => typed);
    const sorted = every("th[aria-sort]").map((th) => [th.firstChild.id, th.getAttribute("aria-sort") === "descending"]);
    const hidden = {};
    for (const each of every('.legend button[aria-pressed="false"]')) {
      (hidden[each.closest("figure").id] ??= []).push(text(each));
    }
    const focus = document.activeElement?.id;
    sessionStorage.setItem(KEY, JSON.stringify({ open, filters, sorted, hidden, focus, at: scrollY }));
  }

  function restore() {
    const before = kept();
    if (!before) return;
    for (const id of before.open) document.getElementById(id)?.setAttribute("open", "");
    for (const [id, typed] of before.filters) {
      const input = document.getElementById(id);
      if (!input) continue;
      input.value = typed;
      input.dispatchEvent(new Event("input"));
    }
    for (const [id, down] of before.sorted) {
      for (let click = 0; click <= Number(down); click++) document.getElementById(id)?.click();
    }
    focused(before);
    scrollTo(0, before.at);
  }

  const focused = (before) => { if (before?.focus) document.getElementById(before.focus)?.focus({ preventScroll: true }); };

  // updates can be paused: a page that changes under the reader's eyes is hard to read
  function pausing(status) {
    const button = document.createElement("button");
    button.type = "button";
    button.id = "pause";
    const show = () => {
      const paused = sessionStorage.getItem(`${KEY}-paused`) === "yes";
      button.textContent = paused ? "Follow the store again" : "Pause updates";
      return paused;
    };
    button.addEventListener("click", () => {
      sessionStorage.setItem(`${KEY}-paused`, show() ? "no" : "yes");
      show();
    });
    show();
    status.after(button);
    return show;
  }

  async function watch(state, seconds) {
    const status = document.getElementById("live");
    const paused = pausing(status);
    const say = (line) => { if (status.textContent !== line) status.textContent = line; };
    for (;;) {
      try {
        const answer = await fetch("state", { cache: "no-store" });
        const changed = answer.ok && (await answer.text()) !== state;
        if (changed && !paused()) {
          keep();
          location.reload();
          return;
        }
        say(changed ? "The store has changed since." : "Live: the page follows the store.");
      } catch {
        say("The server has ended; the page shows what it last sent.");
      }
      await new Promise((done) => setTimeout(done, 1000 * seconds));
    }
  }

  for (const summary of every("details > summary")) summary.id = `${summary.parentElement.id}-summary`;
  for (const table of every("table")) {
    table.parentElement.id = `${table.id}-scroll`;
    sortable(table);
    if (!table.closest("details")) filterable(table);
  }
  const live = document.body.dataset;
  if (live.state) restore();
  pictures().then(() => {
    if (!live.state) return;
    const before = kept();
    scrollTo(0, before?.at || scrollY);
    watch(live.state, Number(live.seconds));
    if (document.activeElement === document.body) focused(before);  // legends and the pause button are there now
  });
})();
