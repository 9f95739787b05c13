"use strict";
// Sorting, searching and choosing in the tables, which are there without a script.

function tables() {
  const body = document.querySelector("#groups tbody");
  if (body) {
    const heads = [...document.querySelectorAll("#groups thead th")];
    heads.forEach((head, column) => {
      const button = head.querySelector("button");
      if (!button) return;
      button.addEventListener("click", () => {
        const text = head.dataset.kind === "text";
        const was = head.getAttribute("aria-sort");
        // Numbers begin with the largest.
        const down = was ? was === "ascending" : !text;
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const key = (row) => {
          const of = row.children[column].dataset.value ?? row.children[column].textContent;
          return text ? of : of === "" ? -Infinity : Number(of);
        };
        const compare = text ? new Intl.Collator("en", { numeric: true }).compare : (a, b) => (a < b ? -1 : a > b ? 1 : 0);
        const rows = [...body.rows].map((row) => [key(row), row]).sort((a, b) => (down ? compare(b[0], a[0]) : compare(a[0], b[0])));
        body.append(...rows.map(([, row]) => row));
      });
    });
    body.addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (!row || row.dataset.chart === undefined) return;
      choose(Number(row.dataset.chart));
      document.getElementById("chart-card").scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    });
    const search = document.getElementById("search");
    search.addEventListener("input", () => {
      const words = search.value.toLowerCase();
      for (const row of body.rows) row.hidden = !row.cells[0].textContent.toLowerCase().includes(words);
    });
  }
  const level = document.getElementById("level");
  if (level) {
    level.addEventListener("change", () => {
      const least = Number(level.value);
      for (const row of document.querySelectorAll("#log tr[data-level]")) row.hidden = Number(row.dataset.level) < least;
    });
  }
  state.ready = "true";
}
