"use strict";
// Filters of the page of a matrix: states and names. Without it every cell is shown.
(() => {
  document.documentElement.classList.add("js");
  const search = document.getElementById("search");
  const showing = document.getElementById("showing");
  const chips = [...document.querySelectorAll(".chip")];
  const rows = [...document.querySelectorAll(".matrix tbody tr")].map((row) => ({
    row,
    cells: [...row.querySelectorAll(".one")].map((one) => ({
      one,
      state: one.querySelector(".cell").classList[1],
      text: [row.cells[0], one.querySelector("small")]
        .map((part) => part.textContent).concat(one.parentNode.dataset.image)
        .join(" ").toLowerCase(),
    })),
  }));
  const total = rows.reduce((sum, each) => sum + each.cells.length, 0);
  const show = () => {
    const words = search.value.toLowerCase().split(/[\s/]+/).filter(Boolean);
    const states = new Set(chips.filter((chip) => chip.getAttribute("aria-pressed") === "true")
      .map((chip) => chip.dataset.state));
    let shown = 0;
    for (const { row, cells } of rows) {
      let some = 0;
      for (const { one, state, text } of cells) {
        const wanted = states.has(state) && words.every((word) => text.includes(word));
        one.hidden = !wanted;
        some += wanted;
      }
      row.hidden = !some;
      shown += some;
    }
    showing.textContent = `${shown} of ${total} shown`;
  };
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      chip.setAttribute("aria-pressed", chip.getAttribute("aria-pressed") !== "true");
      show();
    });
  }
  search.addEventListener("input", show);
  show();
})();
